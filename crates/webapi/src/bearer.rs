//! The last layer: here, and nowhere else, a request gets its `Authorization` header.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use unattended_core::{Authorization, HttpClient, HttpError, HttpErrorKind};

use crate::body::{self, Answer};
use crate::deadline::{Deadline, Timeouts};
use crate::error::{Error, Kind};
use crate::origin::Base;
use crate::request::Request;

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
        authorization: &Authorization,
        client_request_id: &str,
        deadline: &Deadline,
    ) -> Result<Answer, Error> {
        if !self.base.owns(&request.uri) {
            return Err(Error::new(Kind::ForeignOrigin));
        }
        let mut outgoing = http::Request::new(request.body.clone());
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = request.uri.clone();
        *outgoing.headers_mut() = request.headers.clone();
        let headers = outgoing.headers_mut();
        headers.insert(AUTHORIZATION, authorization.header_value().clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(client_request_id) {
            headers.insert("client-request-id", id);
        }

        let first_byte = deadline.narrowed(self.timeouts.first_byte);
        let response = match first_byte.limit(self.http.send(outgoing)).await {
            Some(response) => response.map_err(Error::of_exchange)?,
            None => {
                let silence = HttpError::new(HttpErrorKind::Timeout, "no status line arrived");
                return Err(Error::of_exchange(silence));
            }
        };
        let (head, stream) = response.into_parts();
        let body = body::read(stream, self.longest_body, &self.timeouts, deadline)
            .await
            .map_err(Error::of_exchange)?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}
