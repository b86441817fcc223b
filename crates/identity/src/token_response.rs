//! What a token endpoint answers (RFC 6749 sections 5.1 and 5.2).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use unattended_core::{Authorization, Possession, Secret, aadsts, is_deceptive, redact_tokens, retry_after};

use crate::bound::{Bond, Shown};
use crate::error::{Error, OAuthError};

/// The longest wait that a server may impose; longer ones are taken for a mistake.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// How many characters of what a server says about its refusal are kept, and how many numbers.
const LONGEST_DESCRIPTION: usize = 4_000;
const MOST_CODES: usize = 16;

/// How long a token is used whose lifetime the server does not tell.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(300);

/// A usable token and its times, counted from the answer.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) authorization: Authorization,
    /// The certificate that the token is bound to.
    pub(crate) shown: Option<Arc<Shown>>,
    pub(crate) lifetime: Duration,
    pub(crate) refresh_in: Option<Duration>,
    /// Not from the Microsoft identity platform; other servers may, although RFC 6749 section 4.4.3 advises against it.
    pub(crate) refresh_token: Option<Secret>,
}

/// Text of the answer itself, copied where it is escaped. (An optional `Cow` would always be a copy.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Option<Text<'a>>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "wished_seconds")]
    refresh_in: Option<Duration>,
    #[serde(borrow)]
    refresh_token: Option<Text<'a>>,
}

pub(crate) fn success(status: u16, body: &[u8], bond: &Bond) -> Result<Issued, Error> {
    let unexpected = |what: &str| {
        Error::protocol(format!("the token endpoint answered {status}, but {what}")).with_status(status)
    };
    // The parser's own message may quote the body, which holds a token.
    let success: Success<'_> =
        serde_json::from_slice(body).map_err(|_| unexpected(in_place_of_a_token(body)))?;
    if success.access_token.is_empty() {
        return Err(unexpected("with an empty token"));
    }
    let lifetime = success.expires_in.unwrap_or(UNTOLD_LIFETIME);
    if lifetime.is_zero() {
        return Err(unexpected("with a token that has already expired"));
    }
    let authorization = bond
        .authorization(success.token_type.as_ref().map(|text| &*text.0), &success.access_token)
        .map_err(|what| unexpected(&what))?;
    let has_connections = |possession: &Arc<dyn Possession>| possession.connections().is_some();
    let shown = bond.shown.clone().filter(|_| authorization.possession().is_some_and(has_connections));
    let refresh_token =
        success.refresh_token.filter(|token| !token.0.is_empty()).map(|token| Secret::from(&*token.0));
    Ok(Issued { authorization, shown, lifetime, refresh_in: success.refresh_in, refresh_token })
}

fn in_place_of_a_token(body: &[u8]) -> &'static str {
    match body.trim_ascii_start() {
        [] => "with nothing",
        [b'<', ..] => "with a web page, as a proxy or a portal on the way there does",
        _ => "not with a token response",
    }
}

/// Everything that is no success: OAuth error, plain text, HTML, nothing.
pub(crate) fn failure(status: u16, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Error {
    let oauth = serde_json::from_slice(body).ok().and_then(|answer| oauth_error(&answer));
    let retry_at = retry_after(headers, now).map(|wait| now + wait.min(LONGEST_WAIT));
    let readable = oauth.is_some();
    let error = Error::answered(status, oauth, retry_at);
    if readable || body.is_empty() { error } else { error.with_body(body) }
}

/// Reads member by member: one that is not of the type that it should be must not hide the others.
fn oauth_error(answer: &Map<String, Value>) -> Option<OAuthError> {
    let line = |name: &str| Some(in_one_line(answer.get(name)?.as_str()?));
    let text = |name: &str| Some(shown(answer.get(name)?.as_str()?));
    let (error, nested) = match answer.get("error")? {
        Value::String(code) => (code.as_str(), None),
        Value::Object(nested) => (nested.get("code")?.as_str()?, nested.get("message")),
        _ => return None,
    };
    let description =
        text("error_description").or_else(|| Some(shown(nested?.as_str()?))).unwrap_or_default();
    let trailer = |label: &str| {
        let rest = description.split_once(label)?.1.trim_start();
        rest.split(['\r', '\n', ' ']).next().filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let listed = answer.get("error_codes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = |code: &Value| match code {
        Value::String(digits) => digits.trim().parse().ok(),
        number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let codes: Vec<u32> = listed.iter().filter_map(code).take(MOST_CODES).collect();
    Some(OAuthError {
        error: in_one_line(error),
        codes: if codes.is_empty() { aadsts::codes_in(&description) } else { codes },
        trace_id: line("trace_id").or_else(|| trailer("Trace ID:")),
        correlation_id: line("correlation_id").or_else(|| trailer("Correlation ID:")),
        timestamp: line("timestamp"),
        claims: match answer.get("claims") {
            Some(Value::String(claims)) => Some(claims.clone()),
            Some(claims @ Value::Object(_)) => Some(claims.to_string()),
            _ => None,
        },
        suberror: line("suberror"),
        description,
    })
}

/// What a server says, fit for logs and terminals: without tokens, without deceptive characters but line ends, and not
/// endless.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(LONGEST_DESCRIPTION).collect();
    let is_plain = |c: char| !is_deceptive(c) || matches!(c, '\r' | '\n');
    redact_tokens(&beginning).chars().map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

/// The same of what is one word for whoever means well.
fn in_one_line(text: &str) -> String {
    shown(text).replace(['\r', '\n'], " ")
}

/// A wish of the server, which must not keep anybody from a good token when nobody understands it.
fn wished_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(seconds_of(Option::<Value>::deserialize(deserializer)?.as_ref()))
}

/// Seconds as a number, a decimal or a string of either.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        given => seconds_of(given.as_ref())
            .map(Some)
            .ok_or_else(|| serde::de::Error::custom("not a number of seconds")),
    }
}

fn seconds_of(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let lifetime = Duration::try_from_secs_f64(seconds?).ok()?;
    (lifetime < Duration::from_secs(10 * 365 * 86_400)).then_some(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn failed(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        failure(status, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn an_escaped_description_keeps_its_codes_and_identifiers() {
        let error = failed(
            401,
            &[],
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret \u0027x\u0027\r\nTrace ID: 8eea\r\nCorrelation ID: d0f0\r\nTimestamp: 2025-10-13 14:54:34Z"}"#,
        );
        assert_eq!(error.codes(), [7_000_215]);
        assert_eq!((error.trace_id(), error.correlation_id()), (Some("8eea"), Some("d0f0")));
        assert_eq!(error.to_string(), "AADSTS7000215: Invalid client secret 'x'");
        assert!(error.is_credential());
    }

    // 77 (section 3.6)
    #[test]
    fn a_member_of_another_type_hides_none_of_the_others() {
        for codes in
            [r#""error_codes":null,"#, r#""error_codes":"7000215","#, r#""error_codes":[-1,{}],"#, ""]
        {
            let error = failed(
                401,
                &[],
                &format!(
                    r#"{{"error":"invalid_client",{codes}"error_description":"AADSTS7000215: Wrong.","trace_id":7,"timestamp":{{}},"correlation_id":"c","claims":{{"access_token":{{}}}}}}"#
                ),
            );
            assert_eq!((error.codes(), error.is_credential()), (&[7_000_215][..], true), "{codes}");
            assert_eq!((error.trace_id(), error.correlation_id()), (None, Some("c")));
            assert_eq!(error.claims(), Some(r#"{"access_token":{}}"#));
        }
        let error = failed(401, &[], r#"{"error":"invalid_client","error_codes":["7000222", 50027, 5e3]}"#);
        assert_eq!(error.codes(), [7_000_222, 50_027]);
        let nested = r#"{"error":{"code":"invalid_client","message":"AADSTS700016: Unknown."}}"#;
        assert_eq!(failed(400, &[], nested).codes(), [700_016]);
    }

    #[test]
    fn what_a_server_says_can_neither_forge_a_line_of_a_log_nor_fill_it() {
        let forged = r#"{"error":"invalid_scope","error_description":"no\u001b[2J\u202e scope\n2026-01-01 INFO all is well"}"#;
        assert_eq!(failed(400, &[], forged).to_string(), "invalid_scope: no [2J  scope");
        let forged = r#"{"error":"invalid\nINFO all is well","correlation_id":"c\r\nINFO","trace_id":"t\nINFO","suberror":"s\nINFO","timestamp":"n\nINFO"}"#;
        let error = failed(400, &[], forged);
        assert_eq!(error.to_string(), "the token endpoint refused with invalid INFO all is well");
        for word in [error.correlation_id(), error.trace_id(), error.suberror(), error.timestamp()] {
            assert!(!word.unwrap().contains(['\r', '\n']), "{word:?}");
        }
        let long =
            format!(r#"{{"error":"{}","error_description":"{}"}}"#, "e".repeat(9_000), "d".repeat(900_000));
        assert!(failed(400, &[], &long).to_string().len() < 2 * LONGEST_DESCRIPTION + 10);
    }

    #[test]
    fn an_answer_that_is_no_oauth_error_is_still_told_apart_by_its_status() {
        assert_eq!(failed(502, &[], "<html>Bad gateway</html>").kind(), ErrorKind::Transient);
        assert_eq!(failed(404, &[], "").kind(), ErrorKind::Protocol);
        assert_eq!(failed(400, &[], "null").kind(), ErrorKind::Protocol);
        assert_eq!(
            failed(400, &[], r#"{"error":{"code":"invalid_request"}}"#).kind(),
            ErrorKind::Configuration
        );
        let throttled = failed(429, &[("retry-after", "999999")], "Too Many Requests");
        assert_eq!(throttled.retry_at(), Some(SystemTime::UNIX_EPOCH + LONGEST_WAIT));
        assert!(throttled.is_throttled());
    }

    #[test]
    fn a_lifetime_is_read_as_number_or_text() {
        for expires_in in ["3599", "\"3599\"", "3599.0", "\" 3599 \""] {
            let body = format!(r#"{{"token_type":"bearer","access_token":"t","expires_in":{expires_in}}}"#);
            assert_eq!(
                success(200, body.as_bytes(), &Bond::default()).unwrap().lifetime,
                Duration::from_secs(3_599)
            );
        }
        assert_eq!(
            success(200, br#"{"access_token":"t"}"#, &Bond::default()).unwrap().lifetime,
            UNTOLD_LIFETIME
        );
    }

    #[test]
    fn a_wish_that_nobody_understands_costs_no_token() {
        for (refresh_in, understood) in
            [("-1", None), ("\"soon\"", None), ("1e308", None), ("{}", None), ("\"7\"", Some(7))]
        {
            let body = format!(r#"{{"access_token":"t","expires_in":9,"refresh_in":{refresh_in}}}"#);
            let issued = success(200, body.as_bytes(), &Bond::default()).unwrap();
            assert_eq!(issued.refresh_in, understood.map(Duration::from_secs), "{refresh_in}");
        }
    }

    #[test]
    fn who_answered_in_the_place_of_the_server_is_told_by_what_it_answered() {
        for (body, told) in [
            ("", "the token endpoint answered 200, but with nothing"),
            (
                "\r\n<!DOCTYPE html><title>Sign in to the guest network</title>",
                "the token endpoint answered 200, but with a web page, as a proxy or a portal on the way there does",
            ),
            ("\u{feff}{", "the token endpoint answered 200, but not with a token response"),
        ] {
            assert_eq!(success(200, body.as_bytes(), &Bond::default()).unwrap_err().to_string(), told);
        }
    }

    // 79 (section 3.6)
    #[test]
    fn a_success_that_is_none_names_the_reason_and_not_the_token() {
        for body in [
            r#"{"access_token":"canary-token","token_type":"pop","expires_in":1}"#,
            r#"{"access_token":"canary-token","expires_in":"soon"}"#,
            r#"{"access_token":"canary-token","expires_in":0}"#,
            r#"{"access_token":"canary-token\n","expires_in":9}"#,
            r#"{"access_token":"","expires_in":9}"#,
            r#"{"access_token":null,"token_type":"canary-token","expires_in":9}"#,
            r#"{"id_token":"canary-token","token_type":"Bearer","expires_in":9}"#,
            r#"["canary-token"]"#,
            "canary-token",
        ] {
            let error = success(200, body.as_bytes(), &Bond::default()).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{body}");
        }
    }
}
