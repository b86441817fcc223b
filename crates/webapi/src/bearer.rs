//! The last layer: here, and nowhere else, a request gets its `Authorization` header.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, StatusCode};
use unattended_core::{Authorization, HttpClient, HttpError, HttpErrorKind};

use crate::body::{self, Answer};
use crate::compression::compressed;
use crate::deadline::{Deadline, Timeouts};
use crate::error::{Error, Kind};
use crate::origin::Base;
use crate::payload::Outgoing;
use crate::request::Request;
use crate::traffic;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// Sends to the origin of one API and refuses every other address before a byte leaves.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) base: Base,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) timeouts: Timeouts,
    pub(crate) longest_body: usize,
    /// Whom bodies are compressed for, if they are.
    pub(crate) compression: Option<Arc<traffic::Origin>>,
}

impl Bearer {
    /// One exchange; two when a compressed body is refused, which is then remembered.
    pub(crate) async fn send(
        &self,
        request: &Request,
        authorization: Option<&Authorization>,
        client_request_id: String,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        let origin = self.compression.as_ref().filter(|it| !it.wants_plain_bodies.load(Ordering::Relaxed));
        if let Some((origin, small)) = origin.and_then(|origin| Some((origin, compressed(request)?))) {
            let answer = self.exchange(&small, authorization, client_request_id.clone(), deadline).await?;
            if answer.status != StatusCode::UNSUPPORTED_MEDIA_TYPE {
                return Ok(answer);
            }
            origin.wants_plain_bodies.store(true, Ordering::Relaxed);
        }
        self.exchange(request, authorization, client_request_id, deadline).await
    }

    /// Redirects are answers like any other: nothing is followed with a token in hand.
    async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&Authorization>,
        client_request_id: String,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        if !self.base.owns(&request.uri) {
            return Err(Error::new(Kind::ForeignOrigin));
        }
        let mut outgoing = http::Request::new(());
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = request.uri.clone();
        *outgoing.headers_mut() = request.headers.clone();
        let headers = outgoing.headers_mut();
        // These, and those of the transport.
        headers.reserve(6);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(client_request_id)) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        if let Some(authorization) = authorization {
            authorization.add_to(&mut outgoing).map_err(Error::of_token)?;
        }

        // A token that is bound to a certificate travels on connections that show it, and on no others.
        let possession = authorization.and_then(Authorization::possession);
        let http = possession.and_then(|possession| possession.connections()).unwrap_or(&self.http);
        let (exchange, limit) = match request.body.next()? {
            Outgoing::Bytes(body) => {
                (http.send(outgoing.map(|()| body)), deadline.narrowed(self.timeouts.first_byte))
            }
            Outgoing::Stream(body) => (http.send_streaming(outgoing.map(|()| body)), deadline.clone()),
        };
        let response = match limit.limit(exchange).await {
            Some(response) => response.map_err(Error::of_exchange)?,
            None => {
                let silence = HttpError::new(HttpErrorKind::Timeout, "no status line arrived");
                return Err(Error::of_exchange(silence));
            }
        };
        let (head, stream) = response.into_parts();
        if let Some(possession) = possession {
            possession.heed(&request.uri, &head.headers);
        }
        let body = if head.status.is_success() {
            let whole = body::read(stream, self.longest_body, &self.timeouts, deadline).await;
            whole.map_err(Error::of_exchange)?
        } else {
            body::read_some(stream, &self.timeouts, deadline).await
        };
        Ok(Answer { status: head.status, headers: head.headers, body, refused_token: None })
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
