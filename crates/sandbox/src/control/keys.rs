//! The settings by name, as text: how they are changed from outside and kept.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::settings::{InstanceDiscovery, Settings, TenantSize, TokenError, TokenLife};
use super::span;
use crate::authority::error;
use crate::faults::FaultKind;

/// One setting.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it does, in a phrase.
    pub(crate) meaning: &'static str,
    /// Its value as text that `set` takes.
    pub(crate) get: fn(&Settings) -> String,
    /// Changes it, or says what is wrong with the text.
    pub(crate) set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Every setting, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "clock-offset",
        meaning: "what is added to the clock of the machine, such as +8d or -5m",
        get: |it| signed(it.clock_offset),
        set: |it, text| put(&mut it.clock_offset, parse_offset(text)),
    },
    Key {
        name: "consent-delay",
        meaning: "how long a grant takes to show in tokens",
        get: |it| span::show(it.consent_delay),
        set: |it, text| put(&mut it.consent_delay, span::parse(text)),
    },
    Key {
        name: "replication-delay",
        meaning: "how long a new object of the directory takes to be seen, by the authority too",
        get: |it| span::show(it.replication_delay),
        set: |it, text| put(&mut it.replication_delay, span::parse(text)),
    },
    Key {
        name: "read-lag",
        meaning: "how long a read of the directory after a write is served from before it",
        get: |it| span::show(it.read_lag),
        set: |it, text| put(&mut it.read_lag, span::parse(text)),
    },
    Key {
        name: "federation-delay",
        meaning: "how long a new federated credential takes to be known to the authority",
        get: |it| span::show(it.federation_delay),
        set: |it, text| put(&mut it.federation_delay, span::parse(text)),
    },
    Key {
        name: "token-life",
        meaning: "how long a token lives: one length of time, or two with `..` between for a random one",
        get: |it| life(it.token_life),
        set: |it, text| put(&mut it.token_life, parse_life(text)),
    },
    Key {
        name: "cae-token-life",
        meaning: "the same for clients that handle claims challenges",
        get: |it| life(it.cae_token_life),
        set: |it, text| put(&mut it.cae_token_life, parse_life(text)),
    },
    Key {
        name: "delta-life",
        meaning: "how long a delta link can be used",
        get: |it| span::show(it.delta_life),
        set: |it, text| put(&mut it.delta_life, span::parse(text)),
    },
    Key {
        name: "page-life",
        meaning: "how long the link to a next page can be used",
        get: |it| span::show(it.page_life),
        set: |it, text| put(&mut it.page_life, span::parse(text)),
    },
    Key {
        name: "latency",
        meaning: "how long every answer is held back",
        get: |it| span::show(it.latency),
        set: |it, text| put(&mut it.latency, at_most(span::parse(text)?, Duration::from_secs(600))),
    },
    Key {
        name: "throttling",
        meaning: "the quotas of a tenant of this size: off, small, medium or large",
        get: |it| one_of(&SIZES, it.throttling.size),
        set: |it, text| put(&mut it.throttling.size, parse_one_of(&SIZES, text)),
    },
    Key {
        name: "throttling-scale",
        meaning: "what the quotas are multiplied by, such as 0.01",
        get: |it| it.throttling.scale.to_string(),
        set: |it, text| put(&mut it.throttling.scale, scale(text)),
    },
    Key {
        name: "rate-limit-headers",
        meaning: "whether the directory tells in RateLimit-* headers what is left of the quotas: on or off",
        get: |it| one_of(&SWITCH, it.rate_limit_headers),
        set: |it, text| put(&mut it.rate_limit_headers, parse_one_of(&SWITCH, text)),
    },
    Key {
        name: "etags",
        meaning: "whether the directory tells the ETags of its objects: on or off",
        get: |it| one_of(&SWITCH, it.etags),
        set: |it, text| put(&mut it.etags, parse_one_of(&SWITCH, text)),
    },
    Key {
        name: "loop-rule",
        meaning: "whether the authority refuses a client that asks the same again and again: on or off",
        get: |it| one_of(&SWITCH, it.loop_rule),
        set: |it, text| put(&mut it.loop_rule, parse_one_of(&SWITCH, text)),
    },
    Key {
        name: "token-quota",
        meaning: "how many tokens a tenant gets within ten seconds: off or a number",
        get: |it| it.token_quota.map_or_else(|| "off".to_owned(), |quota| quota.to_string()),
        set: |it, text| put(&mut it.token_quota, quota(text)),
    },
    Key {
        name: "token-error",
        meaning: "the error that token requests meet: off, or an AADSTS number, such as 53003, and perhaps `for` and a client ID",
        get: |it| it.token_error.as_ref().map_or_else(|| "off".to_owned(), show_token_error),
        set: |it, text| put(&mut it.token_error, token_error(text)),
    },
    Key {
        name: "instance-discovery",
        meaning: "whether instance discovery knows this authority: known or unknown",
        get: |it| one_of(&DISCOVERY, it.instance_discovery),
        set: |it, text| put(&mut it.instance_discovery, parse_one_of(&DISCOVERY, text)),
    },
    Key {
        name: "mutual-tls",
        meaning: "whether clients may authenticate by mutual TLS: on or off",
        get: |it| one_of(&SWITCH, it.mutual_tls),
        set: |it, text| put(&mut it.mutual_tls, parse_one_of(&SWITCH, text)),
    },
    Key {
        name: "fault-rate",
        meaning: "the share of requests that meet a fault, from 0 to 1",
        get: |it| it.faults.rate.to_string(),
        set: |it, text| put(&mut it.faults.rate, share(text)),
    },
    Key {
        name: "fault-seed",
        meaning: "which requests meet which fault: the same for the same number",
        get: |it| it.faults.seed.to_string(),
        set: |it, text| put(&mut it.faults.seed, text.parse().map_err(|_| "not a whole number".to_owned())),
    },
    Key {
        name: "fault-kinds",
        meaning: "what may happen: kinds with commas between, or all",
        get: |it| kinds(&it.faults.kinds),
        set: |it, text| put(&mut it.faults.kinds, parse_kinds(text)),
    },
    Key {
        name: "fault-path",
        meaning: "what the path of a request must begin with to meet a fault, such as /graph/v1.0/users",
        get: |it| it.faults.path.clone(),
        set: |it, text| put(&mut it.faults.path, path(text)),
    },
];

const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
const SIZES: [(&str, TenantSize); 4] = [
    ("off", TenantSize::Off),
    ("small", TenantSize::Small),
    ("medium", TenantSize::Medium),
    ("large", TenantSize::Large),
];
const DISCOVERY: [(&str, InstanceDiscovery); 2] =
    [("known", InstanceDiscovery::Known), ("unknown", InstanceDiscovery::Unknown)];

/// Why settings were not changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct InvalidSetting {
    pub(crate) key: String,
    message: String,
    pub(crate) hint: String,
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for InvalidSetting {}

impl Settings {
    /// Changes one setting by name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidSetting> {
        let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))?;
        (key.set)(self, value.trim()).map_err(|reason| InvalidSetting {
            key: name.to_owned(),
            message: format!("`{value}` is no value of {name}: {reason}"),
            hint: format!("{name} is {}", key.meaning),
        })
    }

    /// Every setting by name.
    pub(crate) fn to_map(&self) -> BTreeMap<&'static str, String> {
        KEYS.iter().map(|key| (key.name, (key.get)(self))).collect()
    }

    /// The settings that are not what they are by default.
    pub(crate) fn changed(&self) -> BTreeMap<&'static str, String> {
        let usual = Self::default().to_map();
        self.to_map().into_iter().filter(|(name, value)| usual.get(name) != Some(value)).collect()
    }
}

fn unknown(name: &str) -> InvalidSetting {
    let nearest = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key.name), key.name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => {
            format!("the settings are {}", KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "))
        }
    };
    InvalidSetting { key: name.to_owned(), message: format!("there is no setting `{name}`"), hint }
}

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn at_most(value: Duration, most: Duration) -> Result<Duration, String> {
    if value <= most { Ok(value) } else { Err(format!("more than {}", span::show(most))) }
}

/// Reads a length of time that may go back.
pub(crate) fn parse_offset(text: &str) -> Result<i64, String> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Ok(sign * i64::try_from(span::parse(length)?.as_secs()).unwrap_or(i64::MAX))
}

fn signed(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "+" };
    format!("{sign}{}", span::show(Duration::from_secs(seconds.unsigned_abs())))
}

fn life(life: TokenLife) -> String {
    match life {
        TokenLife::Fixed(life) => span::show(life),
        TokenLife::Between(shortest, longest) => {
            format!("{}..{}", span::show(shortest), span::show(longest))
        }
    }
}

fn parse_life(text: &str) -> Result<TokenLife, String> {
    let second = |text: &str| match span::parse(text)? {
        life if life < Duration::from_secs(1) => Err("shorter than a second".to_owned()),
        life => Ok(life),
    };
    match text.split_once("..") {
        None => second(text).map(TokenLife::Fixed),
        Some((shortest, longest)) => match (second(shortest)?, second(longest)?) {
            (shortest, longest) if shortest <= longest => Ok(TokenLife::Between(shortest, longest)),
            _ => Err("the second length is shorter than the first".to_owned()),
        },
    }
}

fn quota(text: &str) -> Result<Option<u32>, String> {
    match text {
        "off" => Ok(None),
        number => number.parse().map(Some).map_err(|_| "neither off nor a whole number".to_owned()),
    }
}

fn show_token_error(error: &TokenError) -> String {
    match &error.client_id {
        Some(client_id) => format!("{} for {client_id}", error.code),
        None => error.code.to_string(),
    }
}

fn token_error(text: &str) -> Result<Option<TokenError>, String> {
    if text == "off" {
        return Ok(None);
    }
    let (code, client_id) = match text.split_once(" for ") {
        Some((code, client_id)) => (code, Some(client_id.trim().to_ascii_lowercase())),
        None => (text, None),
    };
    let code = code.trim().trim_start_matches("AADSTS").parse().ok();
    let code = code.filter(|code| error::find(*code).is_some());
    let code = code.ok_or("not one of the sandbox's AADSTS numbers")?;
    if client_id.as_ref().is_some_and(|id| uuid::Uuid::try_parse(id).is_err()) {
        return Err("what stands behind `for` is no client ID".to_owned());
    }
    Ok(Some(TokenError { code, client_id }))
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok().filter(|scale: &f64| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "not a number above zero".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to 1".to_owned())
}

fn kinds(kinds: &[FaultKind]) -> String {
    if kinds == FaultKind::ALL {
        return "all".to_owned();
    }
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
}

fn parse_kinds(text: &str) -> Result<Vec<FaultKind>, String> {
    match text {
        "all" => Ok(FaultKind::ALL.to_vec()),
        _ => text.split(',').map(|kind| kind.trim().parse()).collect(),
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("it does not begin with a slash".to_owned()) }
}

fn one_of<T: Copy + PartialEq>(names: &[(&str, T)], value: T) -> String {
    names.iter().find(|(_, it)| *it == value).map_or("", |(name, _)| name).to_owned()
}

fn parse_one_of<T: Copy>(names: &[(&str, T)], text: &str) -> Result<T, String> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        format!("not one of {}", names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_takes_the_text_that_it_shows() {
        let usual = Settings::default();
        for (name, value) in usual.to_map() {
            let mut settings = Settings::default();
            settings.set(name, &value).unwrap();
            assert_eq!(settings, usual, "{name}={value}");
        }
        assert!(usual.changed().is_empty());
    }

    #[test]
    fn a_changed_setting_is_read_back() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("clock-offset", "-1h 30m"),
            ("consent-delay", "30s"),
            ("token-life", "1h..1h 30m"),
            ("throttling", "small"),
            ("throttling-scale", "0.01"),
            ("loop-rule", "on"),
            ("instance-discovery", "unknown"),
            ("token-quota", "20"),
            ("token-error", "53003 for 22222222-2222-2222-2222-222222222222"),
        ] {
            settings.set(name, value).unwrap();
            assert_eq!(settings.to_map()[name], value);
        }
        assert_eq!(settings.changed().len(), 9);
        assert_eq!(settings.clock_offset, -5400);
    }

    #[test]
    fn an_unknown_setting_leads_to_the_nearest_one() {
        let error = Settings::default().set("consent-dealy", "1s").unwrap_err();
        assert_eq!(error.to_string(), "there is no setting `consent-dealy`");
        assert_eq!(error.hint, "did you mean `consent-delay`?");
        assert!(Settings::default().set("xyz", "1").unwrap_err().hint.contains("token-life"));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_wrong() {
        let mut settings = Settings::default();
        for (name, value, reason) in [
            ("token-life", "90m..60m", "shorter than the first"),
            ("token-life", "0s", "shorter than a second"),
            ("throttling", "huge", "not one of off, small, medium, large"),
            ("throttling-scale", "-1", "above zero"),
            ("token-error", "12345", "not one of the sandbox's"),
            ("token-error", "53003 for somebody", "no client ID"),
            ("token-quota", "many", "whole number"),
            ("latency", "1h", "more than 10m"),
            ("delta-life", "a week", "not a length of time"),
        ] {
            let error = settings.set(name, value).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert!(error.to_string().contains(value) && error.hint.starts_with(name), "{error:?}");
        }
        assert_eq!(settings, Settings::default());
    }
}
