//! One call of an API, and its answer.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use unattended_core::redact_tokens;
use unattended_webapi::{Client, Error};

use crate::refusal::{Refusal, full};
use crate::sidecar::AnswerBody;

/// What is passed on to the API. Everything else is between the caller and the sidecar.
pub(crate) const REQUEST_HEADERS: [&str; 7] = [
    "accept",
    "accept-language",
    "consistencylevel",
    "content-encoding",
    "content-type",
    "if-match",
    "prefer",
];

/// What is passed on to the caller.
const ANSWER_HEADERS: [&str; 11] = [
    "client-request-id",
    "content-disposition",
    "content-language",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "odata-version",
    "preference-applied",
    "request-id",
    "x-ms-ags-diagnostic",
];

/// Sends the request with the sidecar's token and passes the answer on.
pub(crate) async fn call(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&'static str, String)],
    body: Bytes,
    now: impl Fn() -> SystemTime,
) -> Result<Response<AnswerBody>, Refusal> {
    let mut request = client.request(method, path);
    if !body.is_empty() {
        request = request.body(body, "application/octet-stream");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|error| failed(&error, now()))?;
    let mut response = Response::new(full(answer.body().clone()));
    // A deletion that an earlier attempt had carried out already is a deletion.
    *response.status_mut() = if answer.already_gone() { StatusCode::NO_CONTENT } else { answer.status() };
    if answer.already_gone() {
        *response.body_mut() = full(Bytes::new());
        return Ok(response);
    }
    for name in ANSWER_HEADERS {
        for value in answer.headers().get_all(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(response)
}

/// The headers of the caller that the API gets to see, each as one value.
pub(crate) fn passed_on(headers: &HeaderMap) -> Result<Vec<(&'static str, String)>, Refusal> {
    let mut passed = Vec::new();
    for name in REQUEST_HEADERS {
        let values: Result<Vec<&str>, _> =
            headers.get_all(name).into_iter().map(HeaderValue::to_str).collect();
        let Ok(values) = values else {
            let reason = format!("the header `{name}` is not text");
            return Err(Refusal::bad_request("invalid_header", reason));
        };
        match values.as_slice() {
            [] => {}
            [_, _, ..] if name == CONTENT_TYPE.as_str() => {
                return Err(Refusal::bad_request("invalid_header", "there are two content types"));
            }
            // RFC 9110 section 5.3
            values => passed.push((name, values.join(", "))),
        }
    }
    Ok(passed)
}

/// The API's own status and code where it answered; otherwise what a gateway says.
pub(crate) fn failed(error: &Error, now: SystemTime) -> Refusal {
    let message = || error.message().map_or_else(|| redact_tokens(&told(error)), redact_tokens);
    let refusal = match error.status() {
        Some(status) if status.is_client_error() || status.is_server_error() => {
            Refusal::told_by("api", status, error.code().unwrap_or("refused"), message())
        }
        Some(status) => {
            let reason = format!("{} (the status was {status})", redact_tokens(&told(error)));
            Refusal::told_by("api", StatusCode::BAD_GATEWAY, "unexpected_answer", reason)
        }
        None if error.is_token() => {
            let passing = error.is_transient();
            let status = if passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
            Refusal::told_by("authority", status, "no_token", redact_tokens(&told(error)))
                .hint("`unattended doctor` says what is wrong")
        }
        None if error.is_throttled() => {
            Refusal::told_by("api", StatusCode::TOO_MANY_REQUESTS, "throttled", told(error))
        }
        None if error.is_transient() => {
            Refusal::told_by("network", StatusCode::BAD_GATEWAY, "no_answer", redact_tokens(&told(error)))
        }
        None => {
            Refusal::told_by("api", StatusCode::BAD_GATEWAY, "unexpected_answer", redact_tokens(&told(error)))
        }
    };
    let refusal = match error.request_id() {
        Some(id) => refusal.detail("request_id", id),
        None => refusal,
    };
    let refusal = match error.attempts() {
        0 | 1 => refusal,
        attempts => refusal.detail("attempts", attempts),
    };
    let refusal = if error.is_ambiguous() { refusal.detail("may_have_been_done", true) } else { refusal };
    match error.retry_at() {
        Some(at) => retry_after(refusal, at, now),
        None => refusal,
    }
}

/// `Retry-After` in whole seconds, never sooner than asked.
pub(crate) fn retry_after(refusal: Refusal, at: SystemTime, now: SystemTime) -> Refusal {
    let wait = at.duration_since(now).unwrap_or(Duration::ZERO);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    refusal.header(RETRY_AFTER, HeaderValue::from(seconds))
}

/// The error and its causes in one line.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
