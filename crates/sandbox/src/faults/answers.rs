//! Answers that come instead of the sandbox's own.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use unattended_core::{Entropy, SystemEntropy};

use super::kind::{FaultKind, Target};

/// How long a fault asks clients to wait: enough to be told from no wait at all, and short for tests.
const WAIT: Duration = Duration::from_secs(1);

/// What a fault answers by itself; nothing if it changes the sandbox's answer.
pub(super) fn instead(
    kind: FaultKind,
    target: Target,
    request: &Request,
    now: SystemTime,
) -> Option<Response> {
    let told = Told { target, now, headers: request.headers() };
    let seconds = HeaderValue::from(WAIT.as_secs());
    let throttled = |header: Option<(HeaderName, HeaderValue)>| {
        let mut response = told.error(StatusCode::TOO_MANY_REQUESTS);
        response.headers_mut().extend(header);
        response
    };
    Some(match kind {
        FaultKind::Throttled => throttled(Some((RETRY_AFTER, seconds))),
        FaultKind::ThrottledDate => throttled(Some((RETRY_AFTER, date(now)))),
        FaultKind::ThrottledDecimal => throttled(Some((RETRY_AFTER, HeaderValue::from_static("0.75")))),
        FaultKind::ThrottledMilliseconds => {
            let name = HeaderName::from_static("retry-after-ms");
            throttled(Some((name, HeaderValue::from_static("900"))))
        }
        FaultKind::ThrottledBare => throttled(None),
        FaultKind::ThrottledNonsense => throttled(Some((RETRY_AFTER, HeaderValue::from_static("soon")))),
        FaultKind::Unavailable => {
            let mut response = told.error(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
        FaultKind::ServerError => told.error(StatusCode::INTERNAL_SERVER_ERROR),
        FaultKind::GatewayTimeout => told.error(StatusCode::GATEWAY_TIMEOUT),
        FaultKind::BadGateway => {
            let page = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>";
            answer(StatusCode::BAD_GATEWAY, "text/html", page.to_owned())
        }
        FaultKind::ErrorInSuccess => {
            let error = told.error_body(StatusCode::INTERNAL_SERVER_ERROR);
            answer(StatusCode::OK, JSON, error.to_string())
        }
        FaultKind::Unauthorized => challenged(&told, ""),
        FaultKind::ClaimsChallenge => {
            let claims =
                json!({ "access_token": { "nbf": { "essential": true, "value": unix(now).to_string() } } });
            let claims = STANDARD.encode(claims.to_string());
            challenged(&told, &format!(r#", error="insufficient_claims", claims="{claims}""#))
        }
        FaultKind::Gone => told.error(StatusCode::GONE),
        FaultKind::ExpiredPage => told.error(StatusCode::BAD_REQUEST),
        _ => return None,
    })
}

/// The origin of somebody else, who would like to have the token.
pub(super) fn foreign() -> Response {
    answer(StatusCode::OK, JSON, json!({ "value": [] }).to_string())
}

const JSON: &str = "application/json; charset=utf-8";

struct Told<'a> {
    target: Target,
    now: SystemTime,
    headers: &'a HeaderMap,
}

impl Told<'_> {
    fn error(&self, status: StatusCode) -> Response {
        answer(status, JSON, self.error_body(status).to_string())
    }

    fn error_body(&self, status: StatusCode) -> Value {
        let request_id = SystemEntropy.uuid();
        let given = self.headers.get("client-request-id").and_then(|it| it.to_str().ok());
        let correlation_id = given.unwrap_or(&request_id);
        if self.target == Target::Vault {
            let (code, message) = vault_error(status);
            return json!({ "error": { "code": code, "message": message } });
        }
        if self.target == Target::Directory {
            let (code, message) = directory_error(status);
            let date = format_time(self.now, "%Y-%m-%dT%H:%M:%S");
            return json!({ "error": { "code": code, "message": message, "innerError": {
                "date": date, "request-id": request_id, "client-request-id": correlation_id,
            } } });
        }
        let (code, error, message) = authority_error(status);
        let timestamp = format_time(self.now, "%Y-%m-%d %H:%M:%SZ");
        json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {message} Trace ID: {request_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": request_id,
            "correlation_id": correlation_id,
        })
    }
}

fn directory_error(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "Too many requests, retry later."),
        StatusCode::SERVICE_UNAVAILABLE => ("serviceNotAvailable", "The service is temporarily unavailable."),
        StatusCode::GATEWAY_TIMEOUT => ("gatewayTimeout", "The service did not answer in time."),
        StatusCode::GONE => ("resyncRequired", "The link has expired: begin anew."),
        StatusCode::UNAUTHORIZED => ("InvalidAuthenticationToken", "Access token is not accepted any more."),
        StatusCode::BAD_REQUEST => (
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        ),
        _ => ("generalException", "An error occurred while processing the request."),
    }
}

fn vault_error(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::TOO_MANY_REQUESTS => (
            "Throttled",
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        ),
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "The service is temporarily unavailable."),
        StatusCode::GATEWAY_TIMEOUT => ("GatewayTimeout", "The service did not answer in time."),
        StatusCode::UNAUTHORIZED => ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
        _ => ("InternalServerError", "An internal error occurred."),
    }
}

fn authority_error(status: StatusCode) -> (u32, &'static str, &'static str) {
    match status {
        StatusCode::TOO_MANY_REQUESTS => (
            90055,
            "temporarily_unavailable",
            "TenantThrottlingError - There are too many incoming requests.",
        ),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            (90033, "temporarily_unavailable", "A transient error has occurred. Please try again.")
        }
        _ => (
            50000,
            "server_error",
            "There was an error issuing a token or an issue with our sign-in service.",
        ),
    }
}

fn challenged(told: &Told<'_>, more: &str) -> Response {
    let mut response = told.error(StatusCode::UNAUTHORIZED);
    if let Ok(challenge) = HeaderValue::from_str(&format!(r#"Bearer realm="""{more}"#)) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A date at least [`WAIT`] away: dates know no parts of a second.
fn date(now: SystemTime) -> HeaderValue {
    let text = format_time(now + WAIT + Duration::from_secs(1), "%a, %d %b %Y %H:%M:%S GMT");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("1"))
}

fn format_time(time: SystemTime, format: &str) -> String {
    jiff::Timestamp::try_from(time).unwrap_or_default().strftime(format).to_string()
}

fn unix(time: SystemTime) -> i64 {
    jiff::Timestamp::try_from(time).unwrap_or_default().as_second()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use unattended_core::retry_after;

    use super::*;

    fn met(kind: FaultKind) -> Response {
        let request = Request::get("/graph/v1.0/users").body(Body::empty()).unwrap();
        instead(kind, Target::Directory, &request, UNIX_EPOCH + Duration::from_secs(1_800_000_000)).unwrap()
    }

    // CH-1
    #[test]
    fn every_form_of_retry_after_is_told() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let wait = |kind| retry_after(met(kind).headers(), now);
        assert_eq!(wait(FaultKind::Throttled), Some(WAIT));
        assert_eq!(wait(FaultKind::Unavailable), Some(WAIT));
        assert_eq!(wait(FaultKind::ThrottledDate), Some(Duration::from_secs(2)));
        assert_eq!(wait(FaultKind::ThrottledDecimal), Some(Duration::from_millis(750)));
        assert_eq!(wait(FaultKind::ThrottledMilliseconds), Some(Duration::from_millis(900)));
        assert_eq!(wait(FaultKind::ThrottledBare), None);
        assert_eq!(wait(FaultKind::ThrottledNonsense), None);
    }

    // CH-1
    #[test]
    fn a_challenge_comes_with_and_without_claims() {
        let header = |kind| met(kind).headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(!header(FaultKind::Unauthorized).contains("claims"));
        assert!(header(FaultKind::ClaimsChallenge).contains(r#"error="insufficient_claims", claims="ey"#));
    }
}
