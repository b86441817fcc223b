//! What the hosts answer: each in its own way.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use unattended_core::{Authorization, aadsts, is_deceptive, redact_tokens, retry_after};

use crate::error::{Error, ErrorKind};
use crate::token_response::Issued;

/// No token lives longer; a time beyond it is a mistake.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The longest wait that a host may impose.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    expires_on: Option<Value>,
    expires_in: Option<Value>,
    refresh_in: Option<Value>,
}

pub(super) fn success(host: &str, body: &[u8], now: SystemTime) -> Result<Issued, Error> {
    let unexpected = |what: &str| Error::protocol(format!("{host} answered 200, but {what}"));
    // The parser's own message may quote the body, which holds a token.
    let answer: Success<'_> = serde_json::from_slice(body).map_err(|_| unexpected("not with a token"))?;
    let until = |time: SystemTime| time.duration_since(now).unwrap_or_default();
    let lifetime = match (given(answer.expires_on.as_ref()), given(answer.expires_in.as_ref())) {
        (Some(expires_on), _) => moment(&expires_on).map(until),
        (None, Some(expires_in)) => seconds(&expires_in),
        (None, None) => return Err(unexpected("does not say until when the token is good")),
    };
    let lifetime = lifetime
        .filter(|lifetime| *lifetime < LONGEST_LIFETIME)
        .ok_or_else(|| unexpected("says until when the token is good in a way that nobody understands"))?;
    if lifetime.is_zero() {
        return Err(unexpected("with a token that has already expired"));
    }
    let refresh_in = match given(answer.refresh_in.as_ref()) {
        Some(text) => Some(
            seconds(&text)
                .filter(|wished| *wished <= lifetime)
                .ok_or_else(|| unexpected("wants its token to be renewed when it is not good any more"))?,
        ),
        None => None,
    };
    let authorization = Authorization::bearer(&answer.access_token)
        .filter(|_| !answer.access_token.is_empty())
        .ok_or_else(|| unexpected("with a token that no header may carry"))?;
    Ok(Issued { authorization, shown: None, lifetime, refresh_in, refresh_token: None })
}

pub(super) fn failure(host: &str, status: u16, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Error {
    let said = said(body).map(|text| format!(": {text}")).unwrap_or_default();
    let retry_at = retry_after(headers, now).map(|wait| now + wait.min(LONGEST_WAIT));
    let kind = match status {
        429 => ErrorKind::Throttled,
        404 | 408 | 410 | 500..=599 => ErrorKind::Transient,
        _ => ErrorKind::Credential,
    };
    let message = match (status, host) {
        (502 | 504, _) => format!("a gateway answered HTTP {status} in the place of {host}{said}"),
        _ => format!("{host} answered HTTP {status}{said}"),
    };
    // The host passes on what the platform says to it.
    let told = aadsts::codes_in(&said).into_iter().find_map(aadsts::find).map(|entry| entry.remedy);
    let error = Error::new(kind, message).with_status(status).repeated_at(retry_at);
    match (kind, told) {
        (_, Some(remedy)) => error.mended_by(remedy),
        (ErrorKind::Credential, None) => {
            error.mended_by("assign the identity to this machine, or name the one that is assigned to it")
        }
        _ => error,
    }
}

/// What the host says is wrong, in whichever of its shapes.
fn said(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let nested = answer.get("error").filter(|error| error.is_object());
    let (code, message) = match nested {
        Some(error) => (text(error, "code"), text(error, "message")),
        None => {
            (text(&answer, "error"), text(&answer, "error_description").or_else(|| text(&answer, "message")))
        }
    };
    let parts: Vec<String> = [code, message].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let line = redact_tokens(&parts.join(": ")).replace(is_deceptive, " ");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| line.chars().take(300).collect())
}

/// A number or text as text; nothing if it is absent or empty.
fn given(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// Seconds since 1970, `2025-01-02T03:04:05Z`, `2025-01-02 03:04:05` or `01/02/2025 03:04:05 +00:00`, all in UTC.
fn moment(text: &str) -> Option<SystemTime> {
    if let Ok(since) = text.parse::<f64>() {
        return UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(since).ok()?);
    }
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text).trim();
    let (date, time) = text.split_once(['T', ' '])?;
    let numbers = |text: &str, mark: char| -> Option<[u16; 3]> {
        let mut parts = text.split(mark).map(|part| part.parse().ok());
        let three = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(three)
    };
    let [year, month, day] = match date.contains('/') {
        true => numbers(date, '/').map(|[month, day, year]| [year, month, day])?,
        false => numbers(date, '-')?,
    };
    let whole_seconds = time.trim().split_once('.').map_or_else(|| time.trim(), |(whole, _)| whole);
    let [hour, minute, second] = numbers(whole_seconds, ':')?;
    let small = |number: u16| u8::try_from(number).ok();
    DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?)
        .ok()
        .map(|moment| moment.to_system_time())
}
