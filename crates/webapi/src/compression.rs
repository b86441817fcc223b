//! Bodies that are sent compressed, where that was asked for.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE};

use crate::payload::Payload;
use crate::request::Request;

/// Less than this gains nothing.
const FEWEST: usize = 1 << 10;

/// The same request with its body compressed; nothing if that cannot be or does not help. A range counts bytes that are
/// not compressed, and a body that has an encoding has its own.
pub(crate) fn compressed(request: &Request) -> Option<Request> {
    let Payload::Bytes(body) = &request.body else { return None };
    let is_as_it_is = [CONTENT_ENCODING, CONTENT_RANGE].iter().any(|name| request.headers.contains_key(name));
    if is_as_it_is || body.len() < FEWEST {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    let small = encoder.finish().ok().filter(|small| small.len() < body.len())?;
    let mut request = Request { body: Payload::Bytes(small.into()), ..request.clone() };
    request.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Some(request)
}
