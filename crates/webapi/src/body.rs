//! Reading a response to its end, within limits of size and time.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use unattended_core::{HttpError, HttpErrorKind, ResponseBody};

use crate::deadline::{Deadline, Timeouts};

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// Reads `body`, refused once it exceeds `limit` bytes, pauses for longer than `timeouts.idle`, or passes `deadline`.
pub(crate) async fn read(
    mut body: ResponseBody,
    limit: usize,
    timeouts: &Timeouts,
    deadline: &Deadline,
) -> Result<Bytes, HttpError> {
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    loop {
        let Some(chunk) = deadline.narrowed(timeouts.idle).limit(body.next()).await else {
            return Err(HttpError::new(HttpErrorKind::Timeout, "the body stopped arriving"));
        };
        let Some(chunk) = chunk.transpose()? else {
            return Ok(first.unwrap_or_else(|| whole.freeze()));
        };
        let so_far = whole.len() + first.as_ref().map_or(0, Bytes::len);
        if chunk.len() > limit.saturating_sub(so_far) {
            return Err(HttpError::new(
                HttpErrorKind::TooLong,
                format!("the body is longer than {limit} bytes"),
            ));
        }
        // A body of one piece is handed on without a copy.
        if so_far == 0 {
            first = Some(chunk);
        } else {
            if let Some(first) = first.take() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
}
