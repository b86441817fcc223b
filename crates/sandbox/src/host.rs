//! The host that a request names.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// The host as the client named it, with its port; HTTP/2 has it in the URI. Empty if it named none.
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(Authority::as_str).or_else(header).unwrap_or_default()
}
