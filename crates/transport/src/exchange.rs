//! One request, one response, and how far a failed exchange got.

use std::error::Error;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use unattended_core::{BoxFuture, HttpClient, HttpError, HttpErrorKind, ResponseBody};

use crate::Transport;

impl HttpClient for Transport {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request)
                .map_err(|error| HttpError::new(HttpErrorKind::Connect, error.without_url()))?;
            let mut response = self.client.execute(request).await.map_err(port_error)?;
            let (status, version) = (response.status(), response.version());
            let headers = std::mem::take(response.headers_mut());
            let mut answer =
                http::Response::new(ResponseBody::new(response.bytes_stream().map_err(port_error)));
            *answer.status_mut() = status;
            *answer.version_mut() = version;
            *answer.headers_mut() = headers;
            Ok(answer)
        })
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
