//! What is sent: bytes that can be sent again, or a stream that cannot.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_core::Stream;
use futures_core::stream::BoxStream;
use unattended_core::{HttpError, HttpErrorKind, RequestBody};

use crate::error::Error;

type Chunks = BoxStream<'static, Result<Bytes, HttpError>>;

/// The body of a request, for as many attempts as it is good for.
#[derive(Clone)]
pub(crate) enum Payload {
    /// In memory.
    Bytes(Bytes),
    /// Made anew for each attempt, for example by opening a file.
    Made { make: Arc<dyn Fn() -> Chunks + Send + Sync>, length: Option<u64> },
    /// Good for one attempt.
    Once(Arc<Mutex<Option<RequestBody>>>),
}

impl Payload {
    pub(crate) fn once<E>(
        stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        length: Option<u64>,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let body = RequestBody::new(interrupting(stream), length);
        Self::Once(Arc::new(Mutex::new(Some(body))))
    }

    pub(crate) fn made<E, S>(make: impl Fn() -> S + Send + Sync + 'static, length: Option<u64>) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Self::Made { make: Arc::new(move || Box::pin(interrupting(make()))), length }
    }

    /// Whether there is another attempt in it.
    pub(crate) fn is_replayable(&self) -> bool {
        !matches!(self, Self::Once(_))
    }

    /// Whether it is in memory, so that sending it takes no longer than the network.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }

    /// The body for the next attempt.
    pub(crate) fn next(&self) -> Result<Outgoing, Error> {
        match self {
            Self::Bytes(bytes) => Ok(Outgoing::Bytes(bytes.clone())),
            Self::Made { make, length } => Ok(Outgoing::Stream(RequestBody::new(make(), *length))),
            Self::Once(body) => {
                let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                body.map(Outgoing::Stream).ok_or_else(Error::body_is_spent)
            }
        }
    }
}

/// The body of one attempt.
pub(crate) enum Outgoing {
    Bytes(Bytes),
    Stream(RequestBody),
}

/// A body can hold a password: its kind is enough.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Made { .. } => "Made",
            Self::Once(_) => "Once",
        })
    }
}

fn interrupting<E>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + 'static
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    use futures_util::TryStreamExt as _;
    stream.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))
}
