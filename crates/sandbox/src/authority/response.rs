//! Answers with the headers that the platform gives them.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_TYPE, EXPIRES, HeaderName, PRAGMA, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::response::Builder;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use unattended_core::{SystemEntropy, aadsts};

use super::error::{self, AuthorityError};
use super::exchange::Exchange;

/// Room for most bodies.
const USUAL_BYTES: usize = 2_048;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const P3P: HeaderName = HeaderName::from_static("p3p");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const SERVER: HeaderName = HeaderName::from_static("x-ms-ests-server");

/// A token, which nothing on the way may keep.
pub(super) fn token(body: &Value, exchange: &Exchange) -> Response {
    json(private(common(StatusCode::OK, exchange), exchange), body)
}

/// An error. A client that tried the `Authorization` header is told what to try there (RFC 6749 section 5.2).
pub(super) fn failure(error: &AuthorityError, exchange: &Exchange, base: &str, used_basic: bool) -> Response {
    let mut response = private(common(error.status(), exchange), exchange);
    if used_basic && error.status() == StatusCode::UNAUTHORIZED {
        response = response.header(WWW_AUTHENTICATE, format!(r#"Basic realm="{base}""#));
    }
    if let Some(seconds) = error.seconds_to_wait() {
        response = response.header(RETRY_AFTER, seconds);
    }
    json(response, &error.body(exchange, base))
}

/// An error that comes before the authority has seen the request, in the shape of its own. It has no `Retry-After`.
pub(crate) fn refusal(
    code: u32,
    status: StatusCode,
    headers: &HeaderMap,
    query: &str,
    base: &str,
    now: SystemTime,
) -> Response {
    let exchange = Exchange::new(headers, query, &[], now, &SystemEntropy);
    let error = AuthorityError::from(error::find(code).unwrap_or(&error::SERVER_FAILED));
    let mut response = failure(&error, &exchange, base, false);
    *response.status_mut() = status;
    response.headers_mut().remove(RETRY_AFTER);
    response
}

/// A public document that browsers may read too.
pub(super) fn document(body: &Value, exchange: &Exchange) -> Response {
    let response = common(StatusCode::OK, exchange)
        .header(CACHE_CONTROL, "max-age=86400, private")
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    json(response, body)
}

/// What a browser asks before it reads a public document with headers of its own.
pub(super) fn preflight() -> Response {
    let response = Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .header(ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS")
        .header(ACCESS_CONTROL_ALLOW_HEADERS, "*");
    finish(response, Body::empty())
}

/// The page behind `error_uri`: what an error means and what somebody does about it.
pub(super) fn error_page(query: &str) -> Response {
    let code = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "code")
        .and_then(|(_, code)| code.parse::<u32>().ok());
    let entry = code.and_then(error::find);
    let Some(entry) = entry else {
        return text(StatusCode::NOT_FOUND, "This code is not one of the sandbox's.\n");
    };
    let mut page = format!("AADSTS{}: {}\n", entry.code, entry.template);
    if let Some(known) = aadsts::find(entry.code) {
        page.push_str(&format!("\nCause:  {}\nRemedy: {}\n", known.cause, known.remedy));
    }
    text(StatusCode::OK, &page)
}

/// Plain text.
pub(super) fn text(status: StatusCode, text: &str) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff");
    finish(response, text.to_owned())
}

/// The platform's `Strict-Transport-Security` is left out: a browser would remember it for every other server on this
/// machine's `localhost`.
fn common(status: StatusCode, exchange: &Exchange) -> Builder {
    Response::builder()
        .status(status)
        .header(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"))
        .header(REQUEST_ID, exchange.trace_id())
        .header(SERVER, fixed(concat!("2.1.", env!("CARGO_PKG_VERSION"), " - SANDBOX")))
}

/// A value that is neither checked nor copied for each answer.
fn fixed(value: &'static str) -> HeaderValue {
    HeaderValue::from_static(value)
}

fn private(response: Builder, exchange: &Exchange) -> Builder {
    response
        .header(CACHE_CONTROL, fixed("no-store, no-cache"))
        .header(PRAGMA, fixed("no-cache"))
        .header(EXPIRES, fixed("-1"))
        .header(P3P, fixed(r#"CP="DSP CUR OTPi IND OTRi ONL FIN""#))
        .header(CLIENT_REQUEST_ID, exchange.correlation_id())
        .header(SET_COOKIE, fixed("x-ms-gateway-slice=estsfd; path=/; secure; samesite=none; httponly"))
        .header(SET_COOKIE, fixed("stsservicecookie=estsfd; path=/; secure; samesite=none; httponly"))
}

fn json(response: Builder, body: &impl Serialize) -> Response {
    let response = response.header(CONTENT_TYPE, fixed("application/json; charset=utf-8"));
    let mut json = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut json, body) {
        Ok(()) => finish(response, json),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "The sandbox failed.\n"),
    }
}

fn finish(response: Builder, body: impl Into<Body>) -> Response {
    response.body(body.into()).unwrap_or_else(|_| {
        let mut failed = Response::default();
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}
