//! One request, one response, and how far a failed exchange got.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use unattended_core::{BoxFuture, HttpClient, HttpError, HttpErrorKind, RequestBody, ResponseBody};

use crate::Transport;
use crate::connector::unconnected;
use crate::gunzip::{self, Gunzip};
use crate::incoming::{Incoming, Own};
use crate::outgoing::Outgoing;
use crate::pool::{Born, Checkout, Lease, Leased, Origin};

impl HttpClient for Transport {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(self.exchange(request.map(Outgoing::Whole)))
    }

    fn send_streaming(
        &self,
        request: Request<RequestBody>,
    ) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(self.exchange(request.map(Outgoing::Stream)))
    }
}

impl Transport {
    async fn exchange(&self, mut request: Request<Outgoing>) -> Result<Response<ResponseBody>, HttpError> {
        let origin = self.pool.origin(request.uri())?;
        self.complete(&mut request);
        loop {
            let Checkout { lease, is_reused } = self.pool.check_out(&origin).await?;
            let may_wait = matches!(lease, Lease::Shared(_)) && !request.body().is_end_stream();
            let sent = match lease {
                Lease::Own(mut own) => {
                    request.headers_mut().entry(HOST).or_insert_with(|| origin.host.clone());
                    // Sent from here: each function between would keep a request of its own in its state.
                    let answer = pin!(own.connection.send(request));
                    let answer = own.connection.drive_until(answer).await;
                    answer.map(|response| self.answered_alone(response, own, &origin))
                }
                Lease::Shared(mut shared) => {
                    let answer = shared.sender.try_send_request(request).await;
                    answer.map(|response| answered(response, shared.born, &origin, None))
                }
            };
            match sent {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    // A server may close a connection at any time between two requests (RFC 9112 section 9.5).
                    Some(unsent) if is_reused => {
                        request = unsent;
                        *request.uri_mut() = origin.address(request.uri().path_and_query());
                    }
                    Some(_) => return Err(unconnected(error.into_error())),
                    None if may_wait && was_waiting(error.error()) => {
                        return Err(unconnected(error.into_error()));
                    }
                    None => return Err(port_error(error.into_error())),
                },
            }
        }
    }

    /// Adds what the layers above leave to the transport.
    fn complete(&self, request: &mut Request<Outgoing>) {
        let has_no_body = matches!(request.body(), Outgoing::Whole(bytes) if bytes.is_empty());
        let means_a_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        if has_no_body && means_a_body {
            // Else it would be up to the server to guess (RFC 9110 section 8.6).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }

    /// An answer on a connection that is one's own until all of it is here.
    fn answered_alone(
        &self,
        response: Response<hyper::body::Incoming>,
        leased: Leased,
        origin: &Arc<Origin>,
    ) -> Response<ResponseBody> {
        let born = leased.born;
        let own = Own { leased, origin: Arc::clone(origin), pool: self.pool.clone() };
        let own = if response.body().is_end_stream() {
            own.give_back();
            None
        } else {
            Some(own)
        };
        answered(response, born, origin, own)
    }
}

fn answered(
    response: Response<hyper::body::Incoming>,
    born: Born,
    origin: &Origin,
    own: Option<Own>,
) -> Response<ResponseBody> {
    // After a 503 a new connection may lead to a server that is well.
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        origin.retire(born);
    }
    let (mut head, body) = response.into_parts();
    let is_packed = gunzip::unwrap(&mut head.headers);
    let body = Incoming::new(body, own);
    let body = if is_packed { ResponseBody::new(Gunzip::new(body)) } else { ResponseBody::new(body) };
    Response::from_parts(head, body)
}

/// The error of the port. Its chain keeps every cause; none of them knows the URL, whose query may hold what is not for
/// logs.
fn port_error(error: hyper::Error) -> HttpError {
    let kind = match was_never_processed(&error) {
        true => HttpErrorKind::Connect,
        false => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error)
}

/// The request was waiting for one of the streams that the server allows when the connection ended. Nothing of its body
/// has left, and a request without its body is none (RFC 9113 section 8.1.1). This is what hyper says then, and it says so
/// in no other case while its runtime lives.
fn was_waiting(error: &hyper::Error) -> bool {
    error.is_user() && error.to_string().starts_with("dispatch task is gone")
}

/// The server says that it did not look at the request (RFC 9113 sections 6.8 and 8.7): its stream was refused, or it
/// came after the last stream of a connection that is shutting down.
pub(crate) fn was_never_processed(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let going_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (refused || going_away);
        }
        cause = error.source();
    }
    false
}
