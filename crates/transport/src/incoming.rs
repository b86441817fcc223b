//! The body of a response on its way in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body as _;
use unattended_core::{HttpError, HttpErrorKind};

use crate::pool::{Leased, Origin, Pool};

/// What arrives, and the connection that it arrives on: given back once everything is here, closed if somebody has
/// enough before.
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    own: Option<Own>,
}

pub(crate) struct Own {
    pub(crate) leased: Leased,
    pub(crate) origin: Arc<Origin>,
    pub(crate) pool: Pool,
}

impl Incoming {
    pub(crate) fn new(body: hyper::body::Incoming, own: Option<Own>) -> Self {
        Self { body, own }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        loop {
            return match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) => Poll::Ready(Some(Ok(chunk))),
                    // Trailers: nothing that anybody asked for.
                    Err(_) => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Interrupted, error))))
                }
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut chunk = this.poll_body(context);
        if let (Poll::Pending, Some(own)) = (&chunk, &mut this.own) {
            own.leased.connection.drive(context);
            chunk = this.poll_body(context);
        }
        let is_over = match &chunk {
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) => {
                this.own = None;
                false
            }
            Poll::Pending => false,
        };
        if is_over && let Some(own) = this.own.take() {
            own.give_back();
        }
        chunk
    }
}

impl Own {
    /// An exchange is over when the request has left, too: a server may answer before it has read everything.
    pub(crate) fn give_back(mut self) {
        if self.leased.connection.is_ready() || self.leased.connection.is_usable() {
            self.origin.check_in(self.leased, self.pool.now());
        }
    }
}
