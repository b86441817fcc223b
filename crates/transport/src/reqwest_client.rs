//! reqwest behind the port, for programs that have it anyway.

use std::error::Error;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::{BodyDataStream, BodyExt as _};
use unattended_core::{BoxFuture, HttpClient, HttpError, HttpErrorKind, RequestBody, ResponseBody};

use crate::exchange::was_never_processed;

/// reqwest as the network of the clients of this house, with the proxies, the TLS and the resolver that it was given.
///
/// What the port promises holds: no redirects, no retries. What [`Transport`](crate::Transport) does beyond it does not:
/// reqwest writes some characters of an address in another way (`'` as `%27`), which can make a link to a next page another
/// one; goes on with a connection that answered 503; and unpacks bodies without a bound of its own.
#[derive(Clone, Debug)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Finishes `builder`, without redirects, `Referer` and retries.
    ///
    /// # Errors
    /// reqwest refuses its configuration.
    pub fn build(builder: reqwest::ClientBuilder) -> Result<Self, reqwest::Error> {
        let quiet = builder.redirect(reqwest::redirect::Policy::none()).referer(false);
        quiet.retry(reqwest::retry::never()).build().map(Self)
    }

    async fn exchange<B: Into<reqwest::Body>>(
        &self,
        request: Request<B>,
    ) -> Result<Response<ResponseBody>, HttpError> {
        let unusable = |error: reqwest::Error| HttpError::new(HttpErrorKind::Connect, error.without_url());
        let request = reqwest::Request::try_from(request).map_err(unusable)?;
        let response = self.0.execute(request).await.map_err(port_error)?;
        let (head, body) = Response::<reqwest::Body>::from(response).into_parts();
        let body = ResponseBody::new(BodyDataStream::new(body.map_err(port_error)));
        Ok(Response::from_parts(head, body))
    }
}

impl HttpClient for ReqwestClient {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(self.exchange(request))
    }

    fn send_streaming(
        &self,
        request: Request<RequestBody>,
    ) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        let length = request.body().length();
        let mut request = request.map(reqwest::Body::wrap_stream);
        request.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, length.into())));
        Box::pin(self.exchange(request))
    }
}

fn port_error(error: reqwest::Error) -> HttpError {
    let cause = error.source();
    let kind = if error.is_connect() || cause.is_some_and(was_never_processed) {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    // The address may hold what is not for logs.
    HttpError::new(kind, error.without_url())
}
