//! Reading a response to its end, within limits of size and time.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use unattended_core::{HttpError, HttpErrorKind, ResponseBody};

use crate::deadline::{Deadline, Timeouts};
use crate::refused_token::RefusedToken;

/// A response with its whole body.
pub(crate) struct Answer {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// The token that it did not accept.
    pub(crate) refused_token: Option<Box<RefusedToken>>,
}

/// A body can hold a new secret or a person's data: its length is enough.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("body_bytes", &self.body.len()).finish()
    }
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

/// What there is of the body of an answer that is not a success, up to 64 KiB. A longer body is dropped unread, and its
/// connection with it: reading on would cost more than a new connection. A body that breaks off does not take back
/// what the status and the headers say.
pub(crate) async fn read_some(mut body: ResponseBody, timeouts: &Timeouts, deadline: &Deadline) -> Bytes {
    const MOST: usize = 64 << 10;
    let mut some = BytesMut::new();
    while let Some(Some(Ok(chunk))) = deadline.narrowed(timeouts.idle).limit(body.next()).await {
        some.extend_from_slice(&chunk[..chunk.len().min(MOST - some.len())]);
        if some.len() == MOST {
            break;
        }
    }
    some.freeze()
}
