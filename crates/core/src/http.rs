//! The network as a port.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use futures_core::stream::{BoxStream, Stream};

/// Sends one request and returns one response, whatever its status.
///
/// An implementation never follows redirects, never retries, and never adds credentials: those decisions belong to
/// the layers above, which see what is at stake. Dropping the future aborts the exchange.
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// One exchange. The body of the response arrives as it is read.
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>>;

    /// One exchange whose body is read while it is sent. Unless an implementation can stream, the body is read into
    /// memory first. A body that fails ends the exchange as [`HttpErrorKind::Interrupted`].
    fn send_streaming(
        &self,
        request: http::Request<RequestBody>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = ResponseBody(body.chunks).collect(usize::MAX).await?;
            self.send(http::Request::from_parts(head, body)).await
        })
    }
}

/// The body of a request, read as it is sent: once.
pub struct RequestBody {
    chunks: BoxStream<'static, Result<Bytes, HttpError>>,
    length: Option<u64>,
}

impl RequestBody {
    /// A body from a stream of chunks, of `length` bytes in all if that is known.
    pub fn new(
        chunks: impl Stream<Item = Result<Bytes, HttpError>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self { chunks: Box::pin(chunks), length }
    }

    /// How many bytes there are in all, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(context)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The body of a response, read as it arrives.
pub struct ResponseBody(BoxStream<'static, Result<Bytes, HttpError>>);

impl ResponseBody {
    /// A body from a stream of chunks.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, HttpError>> + Send + 'static) -> Self {
        Self(Box::pin(chunks))
    }

    /// A body that is already here.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        struct Once(Option<Bytes>);
        impl Stream for Once {
            type Item = Result<Bytes, HttpError>;

            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                Poll::Ready(self.0.take().map(Ok))
            }
        }
        Self::new(Once(Some(bytes.into())))
    }

    /// Everything, refused once it exceeds `limit` bytes.
    ///
    /// # Errors
    /// The connection failed midway, or the body is longer than `limit` ([`HttpErrorKind::TooLong`]).
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, HttpError> {
        let mut next = async || std::future::poll_fn(|context| Pin::new(&mut self).poll_next(context)).await;
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(chunk) = next().await.transpose()? {
            if chunk.len() > limit.saturating_sub(first.len() + whole.len()) {
                return Err(HttpError::new(
                    HttpErrorKind::TooLong,
                    format!("the body is longer than {limit} bytes"),
                ));
            }
            if first.is_empty() && whole.is_empty() {
                first = chunk;
                continue;
            }
            if whole.is_empty() {
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody")
    }
}

/// An exchange that produced no response, or half of one.
#[derive(Debug)]
pub struct HttpError {
    kind: HttpErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

/// How far an exchange got before it failed: that decides whether repeating it is safe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// No byte of the request left: name resolution, TCP, proxy or TLS failed. Repeating is safe for any method.
    Connect,
    /// The server gave no answer in time; it may or may not have acted.
    Timeout,
    /// The connection broke after the request began to leave; the server may or may not have acted.
    Interrupted,
    /// The answer is longer than the caller allows.
    TooLong,
}

impl HttpError {
    /// A failure of `kind`.
    pub fn new(kind: HttpErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// How far it got.
    #[must_use]
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            HttpErrorKind::Connect => "no connection could be made",
            HttpErrorKind::Timeout => "the server did not answer in time",
            HttpErrorKind::Interrupted => "the connection broke",
            HttpErrorKind::TooLong => "the answer is too long",
        })
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_collected_up_to_its_limit() {
        assert_eq!(ResponseBody::full("four").collect(4).await.unwrap(), "four");
        let refused = ResponseBody::full("fives").collect(4).await.unwrap_err();
        assert_eq!(refused.kind(), HttpErrorKind::TooLong);
    }
}
