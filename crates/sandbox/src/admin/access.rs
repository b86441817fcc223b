//! Who may control the sandbox.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use subtle::ConstantTimeEq;

use super::Admin;
use super::answer::Refusal;

/// Lets those pass who hold the control token.
pub(super) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let given =
        given.split_at_checked("Bearer ".len()).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    if given.is_some_and(|(_, token)| is_equal(token, admin.token.expose())) {
        return next.run(request).await;
    }
    let refusal =
        Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "the control token is missing or wrong")
            .hint("it is in the file control.token beside administrator.secret");
    let mut response = refusal.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="sandbox""#));
    response
}

/// Compares in a time that says nothing about where, or in which length, the two differ.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    digest(&SHA256, left).as_ref().ct_eq(digest(&SHA256, right).as_ref()).into()
}
