//! One request, one response, and how far a failed exchange got.

use std::error::Error;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use unattended_core::{BoxFuture, HttpClient, HttpError, HttpErrorKind, RequestBody, ResponseBody};

use crate::Transport;

impl HttpClient for Transport {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        Box::pin(self.exchange(request))
    }

    fn send_streaming(
        &self,
        request: http::Request<RequestBody>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let (mut head, body) = request.into_parts();
        if let Some(length) = body.length() {
            head.headers.insert(http::header::CONTENT_LENGTH, length.into());
        }
        Box::pin(self.exchange(http::Request::from_parts(head, reqwest::Body::wrap_stream(body))))
    }
}

impl Transport {
    async fn exchange<B: Into<reqwest::Body>>(
        &self,
        request: http::Request<B>,
    ) -> Result<http::Response<ResponseBody>, HttpError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| HttpError::new(HttpErrorKind::Connect, error.without_url()))?;
        let mut response = self.client.execute(request).await.map_err(port_error)?;
        let (status, version) = (response.status(), response.version());
        let headers = std::mem::take(response.headers_mut());
        let mut answer = http::Response::new(ResponseBody::new(response.bytes_stream().map_err(port_error)));
        *answer.status_mut() = status;
        *answer.version_mut() = version;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

/// The error of the port. Its chain keeps every cause and loses the URL, whose query may hold what is not for logs.
fn port_error(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() || error.is_builder() || was_never_processed(&error) {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error.without_url())
}

/// The server says that it did not look at the request (RFC 9113 sections 6.8 and 8.7): its stream was refused, or it
/// came after the last stream of a connection that is shutting down.
fn was_never_processed(error: &(dyn Error + 'static)) -> bool {
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
