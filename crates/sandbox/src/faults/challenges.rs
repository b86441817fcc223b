//! Tokens that are refused though they are good.

use std::time::SystemTime;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::kind::FaultKind;
use crate::admission::claims_of_challenge;
use crate::authority::unix_seconds;

/// Whether the fault is one of these.
pub(super) fn is_one(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Unauthorized | FaultKind::ClaimsChallenge)
}

/// Asks the service with a token that it cannot read, so that it refuses in its own words and with its own challenge.
pub(super) async fn refused(kind: FaultKind, mut request: Request, next: Next, now: SystemTime) -> Response {
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer refused"));
    let mut response = next.run(request).await;
    if kind == FaultKind::ClaimsChallenge
        && let Some(challenge) = response.headers_mut().get_mut(WWW_AUTHENTICATE)
    {
        *challenge = with_claims(challenge, now);
    }
    response
}

/// The challenge to come back with a token that begins now or later.
fn with_claims(challenge: &HeaderValue, now: SystemTime) -> HeaderValue {
    let claims = claims_of_challenge(unix_seconds(now));
    let more = format!(r#", error="insufficient_claims", claims="{claims}""#);
    let whole = [challenge.as_bytes(), more.as_bytes()].concat();
    HeaderValue::from_bytes(&whole).unwrap_or_else(|_| challenge.clone())
}
