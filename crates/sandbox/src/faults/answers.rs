//! Answers that come instead of the sandbox's own.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use serde_json::json;

use super::kind::{FaultKind, Target};
use crate::dated::http_date;
use crate::{authority, directory};

/// How long a fault asks clients to wait, or lets them: enough to be told from no wait at all, and short for tests.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// A request that meets a fault.
pub(super) struct Met<'a> {
    pub(super) request: &'a Request,
    pub(super) target: Target,
    pub(super) now: SystemTime,
    /// `https://localhost:PORT`.
    pub(super) base: &'a str,
}

/// What a fault answers by itself; nothing if it changes the sandbox's answer.
pub(super) fn instead(kind: FaultKind, met: &Met<'_>) -> Option<Response> {
    let seconds = HeaderValue::from(WAIT.as_secs());
    let throttled = |header: Option<(HeaderName, HeaderValue)>| {
        let mut response = met.error(StatusCode::TOO_MANY_REQUESTS);
        response.headers_mut().extend(header);
        response
    };
    Some(match kind {
        FaultKind::Throttled => throttled(Some((RETRY_AFTER, seconds))),
        FaultKind::ThrottledDate => throttled(Some((RETRY_AFTER, date(met.now)))),
        FaultKind::ThrottledDecimal => throttled(Some((RETRY_AFTER, HeaderValue::from_static("0.75")))),
        FaultKind::ThrottledMilliseconds => {
            let name = HeaderName::from_static("retry-after-ms");
            throttled(Some((name, HeaderValue::from_static("900"))))
        }
        FaultKind::ThrottledBare => throttled(None),
        FaultKind::ThrottledNonsense => throttled(Some((RETRY_AFTER, HeaderValue::from_static("soon")))),
        FaultKind::Unavailable => {
            let mut response = met.error(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
        FaultKind::ServerError => met.error(StatusCode::INTERNAL_SERVER_ERROR),
        FaultKind::GatewayTimeout => met.error(StatusCode::GATEWAY_TIMEOUT),
        FaultKind::BadGateway => {
            let page = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>";
            answer(StatusCode::BAD_GATEWAY, "text/html", page.to_owned())
        }
        FaultKind::ErrorInSuccess => {
            let mut response = met.error(StatusCode::INTERNAL_SERVER_ERROR);
            *response.status_mut() = StatusCode::OK;
            response
        }
        FaultKind::Gone => {
            let mut response = met.error(StatusCode::GONE);
            response.headers_mut().extend(met.beginning().map(|begin| (LOCATION, begin)));
            response
        }
        FaultKind::ExpiredPage => met.error(StatusCode::BAD_REQUEST),
        _ => return None,
    })
}

/// The origin of somebody else, who would like to have the token.
pub(super) fn foreign() -> Response {
    answer(StatusCode::OK, JSON, json!({ "value": [] }).to_string())
}

const JSON: &str = "application/json; charset=utf-8";

impl Met<'_> {
    /// An error in the shape of the service that was asked.
    fn error(&self, status: StatusCode) -> Response {
        let headers = self.request.headers();
        match self.target {
            Target::Authority => {
                let query = self.request.uri().query().unwrap_or_default();
                authority::refusal(authority_error(status), status, headers, query, self.base, self.now)
            }
            Target::Directory => {
                directory::refusal(status, directory_error(status), headers.clone(), self.now)
            }
            Target::Vault => {
                let (code, message) = vault_error(status);
                let body = json!({ "error": { "code": code, "message": message } });
                answer(status, JSON, body.to_string())
            }
        }
    }

    /// Where a round of changes begins again.
    fn beginning(&self) -> Option<HeaderValue> {
        let path = self.request.uri().path();
        let is_delta = path.to_ascii_lowercase().contains("delta");
        HeaderValue::from_str(&format!("{}{path}?$deltatoken=", self.base)).ok().filter(|_| is_delta)
    }
}

fn directory_error(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "Too many requests, retry later."),
        StatusCode::SERVICE_UNAVAILABLE => ("serviceNotAvailable", "The service is temporarily unavailable."),
        StatusCode::GATEWAY_TIMEOUT => ("gatewayTimeout", "The service did not answer in time."),
        StatusCode::GONE => ("resyncRequired", "The link has expired: begin anew."),
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
        _ => ("InternalServerError", "An internal error occurred."),
    }
}

/// The number of the platform's error.
fn authority_error(status: StatusCode) -> u32 {
    match status {
        StatusCode::TOO_MANY_REQUESTS => 90055,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => 90033,
        _ => 50000,
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A date at least [`WAIT`] away: dates know no parts of a second.
fn date(now: SystemTime) -> HeaderValue {
    http_date(now + WAIT + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use unattended_core::retry_after;

    use super::*;

    // CH-1
    #[test]
    fn every_form_of_retry_after_is_told() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = Request::get("/graph/v1.0/users").body(Body::empty()).unwrap();
        let met = Met { request: &request, target: Target::Directory, now, base: "https://localhost" };
        let wait = |kind| retry_after(instead(kind, &met).unwrap().headers(), now);
        assert_eq!(wait(FaultKind::Throttled), Some(WAIT));
        assert_eq!(wait(FaultKind::Unavailable), Some(WAIT));
        assert_eq!(wait(FaultKind::ThrottledDate), Some(Duration::from_secs(2)));
        assert_eq!(wait(FaultKind::ThrottledDecimal), Some(Duration::from_millis(750)));
        assert_eq!(wait(FaultKind::ThrottledMilliseconds), Some(Duration::from_millis(900)));
        assert_eq!(wait(FaultKind::ThrottledBare), None);
        assert_eq!(wait(FaultKind::ThrottledNonsense), None);
    }
}
