//! A connection that carries one exchange after the other.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use http::uri::Parts;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::outgoing::Outgoing;
use crate::stream::Stream;

/// HTTP/1.1. Whoever has an exchange on it drives it, and nobody does in between: that a server has closed it is seen
/// when it is next [wanted](Self::is_usable).
pub(crate) struct Http1 {
    sender: SendRequest<Outgoing>,
    connection: http1::Connection<TokioIo<Stream>, Outgoing>,
    has_ended: bool,
}

impl Http1 {
    pub(crate) async fn begin(stream: Stream) -> hyper::Result<Box<Self>> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Self { sender, connection, has_ended: false }))
    }

    /// Begins an exchange, which comes to the head of the answer while the connection is
    /// [driven](Self::drive_until). A request that did not leave comes back with the error.
    pub(crate) fn send(
        &mut self,
        mut request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<> {
        to_origin_form(request.uri_mut());
        self.sender.try_send_request(request)
    }

    pub(crate) async fn drive_until<T>(&mut self, mut answer: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|context| {
            // How it ends is in the answer.
            self.drive(context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Moves what is under way.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        if !self.has_ended {
            self.has_ended = pin!(&mut self.connection).poll(context).is_ready();
        }
    }

    /// Whether another exchange can begin, after a look at what the server does. Nobody waits for it, so nobody is to be
    /// woken: what would wake is the next request itself.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_ready()
    }

    /// The same as far as it is known.
    pub(crate) fn is_ready(&self) -> bool {
        !self.has_ended && self.sender.is_ready()
    }
}

/// The path and the query alone, byte for byte (RFC 9112 section 3.2.1).
fn to_origin_form(uri: &mut Uri) {
    let mut parts = Parts::default();
    parts.path_and_query = std::mem::take(uri).into_parts().path_and_query;
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
