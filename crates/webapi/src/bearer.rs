//! The last layer: here, and nowhere else, a request gets its `Authorization` header.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue};
use unattended_core::{Authorization, HttpClient, HttpError, HttpErrorKind};

use crate::body::{self, Answer};
use crate::deadline::{Deadline, Timeouts};
use crate::error::{Error, Kind};
use crate::origin::Base;
use crate::payload::Outgoing;
use crate::request::Request;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// Sends to the origin of one API and refuses every other address before a byte leaves.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) base: Base,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) timeouts: Timeouts,
    pub(crate) longest_body: usize,
}

impl Bearer {
    /// One exchange. Redirects are answers like any other: nothing is followed with a token in hand.
    pub(crate) async fn send(
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
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.header_value().clone());
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(client_request_id)) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }

        let (exchange, limit) = match request.body.next()? {
            Outgoing::Bytes(body) => {
                (self.http.send(outgoing.map(|()| body)), deadline.narrowed(self.timeouts.first_byte))
            }
            Outgoing::Stream(body) => (self.http.send_streaming(outgoing.map(|()| body)), deadline.clone()),
        };
        let response = match limit.limit(exchange).await {
            Some(response) => response.map_err(Error::of_exchange)?,
            None => {
                let silence = HttpError::new(HttpErrorKind::Timeout, "no status line arrived");
                return Err(Error::of_exchange(silence));
            }
        };
        let (head, stream) = response.into_parts();
        let body = if head.status.is_success() {
            let whole = body::read(stream, self.longest_body, &self.timeouts, deadline).await;
            whole.map_err(Error::of_exchange)?
        } else {
            body::read_some(stream, &self.timeouts, deadline).await
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
