//! Lends a token to a caller that may have it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use unattended_core::{Clock, TokenDemand, TokenSource, redact_tokens};
use zeroize::Zeroizing;

use crate::call::{retry_after, told};
use crate::refusal::{Refusal, full};
use crate::sidecar::AnswerBody;

/// A live token in the form that a token endpoint gives it (RFC 6749 section 5.1), without a lifetime: the caller asks
/// before each use, and keeps nothing.
pub(crate) async fn lend(
    tokens: &dyn TokenSource,
    clock: &dyn Clock,
) -> Result<Response<AnswerBody>, Refusal> {
    let authorization = tokens.authorization(TokenDemand::Live).await.map_err(|error| {
        let status =
            if error.is_transient() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
        let refusal = Refusal::told_by("authority", status, "no_token", redact_tokens(&told(&error)))
            .hint("`unattended doctor` says what is wrong");
        match error.retry_at() {
            Some(at) => retry_after(refusal, at, clock.now()),
            None => refusal,
        }
    })?;
    if authorization.possession().is_some() {
        let message =
            "the token is bound to a key of this daemon, so that it would be of no use to anybody else";
        return Err(Refusal::forbidden("bound_token", message)
            .hint("let the program make its calls through the sidecar instead"));
    }
    // No character of a bearer token (RFC 6750 section 2.1) needs an escape in JSON; anything else is no token.
    let token = authorization.expose_token();
    if !token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        return Err(Refusal::told_by(
            "authority",
            StatusCode::BAD_GATEWAY,
            "no_token",
            "the token is malformed",
        ));
    }
    let document =
        Zeroizing::new(format!("{{\"token_type\":\"Bearer\",\"access_token\":\"{token}\"}}\n").into_bytes());
    let mut response = Response::new(full(Bytes::from_owner(document)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
