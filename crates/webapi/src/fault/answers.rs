//! Answers that no API gave.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Response, StatusCode};
use unattended_core::ResponseBody;

use super::kind::RetryAfter;

/// An error of this status and code.
pub(super) fn refusal(status: u16, code: &str) -> Response<ResponseBody> {
    let body = serde_json::json!({ "error": { "code": code, "message": "a fault of the test" } });
    let mut answer = Response::new(ResponseBody::full(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

/// The same, with when to come back.
pub(super) fn status(
    status: u16,
    retry_after: Option<RetryAfter>,
    now: SystemTime,
) -> Response<ResponseBody> {
    let mut answer = refusal(status, "faultOfTheTest");
    for (name, value) in retry_after.map(|form| headers(form, now)).unwrap_or_default() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// 401 with the claims that a token has to have (RFC 6750 section 3, and the platform's `claims`).
pub(super) fn challenge() -> Response<ResponseBody> {
    const CLAIMS: &str = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==";
    let mut answer = refusal(401, "InvalidAuthenticationToken");
    let value = format!(r#"Bearer realm="", error="insufficient_claims", claims="{CLAIMS}""#);
    if let Ok(value) = HeaderValue::from_str(&value) {
        answer.headers_mut().insert(http::header::WWW_AUTHENTICATE, value);
    }
    answer
}

/// The headers that say when to come back.
pub(super) fn headers(form: RetryAfter, now: SystemTime) -> Vec<(&'static str, String)> {
    let at = |seconds: u32| httpdate::fmt_http_date(now + Duration::from_secs(seconds.into()));
    let dated = |value: String| vec![("date", at(0)), ("retry-after", value)];
    match form {
        RetryAfter::Seconds(seconds) => vec![("retry-after", seconds.to_string())],
        RetryAfter::Decimal(wait) => vec![("retry-after", wait.as_secs_f64().to_string())],
        RetryAfter::Date(seconds) => dated(at(seconds)),
        RetryAfter::Rfc850Date(seconds) => dated(rfc_850(&at(seconds))),
        RetryAfter::AsctimeDate(seconds) => dated(asctime(&at(seconds))),
        RetryAfter::Milliseconds(wait) => vec![("retry-after-ms", wait.to_string())],
        RetryAfter::MicrosoftMilliseconds(wait) => vec![("x-ms-retry-after-ms", wait.to_string())],
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in the older forms of RFC 9110 section 5.6.7.
fn rfc_850(date: &str) -> String {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    let words: Vec<&str> = date.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [name, day, month, year, time, zone] = words[..] else { return date.to_owned() };
    let name = DAYS.into_iter().find(|full| full.starts_with(name)).unwrap_or(name);
    format!("{name}, {day}-{month}-{} {time} {zone}", year.get(2..).unwrap_or(year))
}

fn asctime(date: &str) -> String {
    let words: Vec<&str> = date.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [name, day, month, year, time, _] = words[..] else { return date.to_owned() };
    format!("{name} {month} {:>2} {time} {year}", day.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    // CH-1, RT-4
    #[test]
    fn every_form_says_the_same_and_is_understood() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(rfc_850(at), "Sunday, 06-Nov-94 08:49:37 GMT");
        assert_eq!(asctime(at), "Sun Nov  6 08:49:37 1994");
        for form in [
            RetryAfter::Seconds(7),
            RetryAfter::Decimal(Duration::from_secs(7)),
            RetryAfter::Date(7),
            RetryAfter::Rfc850Date(7),
            RetryAfter::AsctimeDate(7),
            RetryAfter::Milliseconds(7_000),
            RetryAfter::MicrosoftMilliseconds(7_000),
        ] {
            let answer = status(429, Some(form), now);
            // The clock of whoever asks is an hour off; dates are relative to the server's.
            let asked = unattended_core::retry_after(answer.headers(), now + Duration::from_secs(3_600));
            assert_eq!(asked, Some(Duration::from_secs(7)), "{form:?}");
        }
    }
}
