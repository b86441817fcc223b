//! Entity tags: whether an object is still the one that a client read.
//!
//! They are told on a wish only (the setting `etags`), as Graph has none for these objects. A condition that a client
//! sends is kept either way.

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use super::exchange::Call;
use super::fault::Fault;
use crate::store::Object;

/// The weak tag of a document. What has no value is the same as what is not there.
pub(super) fn of(document: &Map<String, Value>) -> String {
    let is_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|it| !it.is_empty());
    let mut members: Vec<_> = document.iter().filter(|(_, value)| is_something(value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    let text = serde_json::to_vec(&members).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    let hex: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

/// The header that tells an object's tag.
pub(super) fn header(object: &Object) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(&of(&object.document)).ok().map(|tag| (ETAG, tag))
}

/// 412 for a write to an object that is not what the client thinks it is (RFC 9110 section 13.1.1).
pub(super) fn check(call: &Call<'_>, object: &Object) -> Result<(), Fault> {
    let is_write = matches!(call.request.method, Method::PATCH | Method::DELETE);
    match is_write && names(call, &IF_MATCH, object) == Some(false) {
        true => Err(Fault::new(
            StatusCode::PRECONDITION_FAILED,
            "resourceModified",
            "The object has changed since it was read: its ETag is not the one in If-Match.",
        )),
        false => Ok(()),
    }
}

/// Whether the client that reads has the object as it is (RFC 9110 section 13.1.2).
pub(super) fn is_known(call: &Call<'_>, object: &Object) -> bool {
    call.request.method == Method::GET && names(call, &IF_NONE_MATCH, object) == Some(true)
}

/// Whether a header names the object's tag; nothing if there is no such header.
fn names(call: &Call<'_>, header: &HeaderName, object: &Object) -> Option<bool> {
    let mut values = call.request.headers.get_all(header).iter().peekable();
    values.peek()?;
    let tag = of(&object.document);
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let named = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    Some(named.map(opaque).any(|it| it == "*" || it == opaque(&tag)))
}
