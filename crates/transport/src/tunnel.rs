//! A tunnel through a proxy (RFC 9110 section 9.3.6).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use unattended_core::HttpError;

use crate::connector::unconnected;
use crate::stream::Stream;

/// Asks `proxy`, which `stream` leads to, to connect it to the origin of `uri`.
pub(crate) async fn open(stream: Stream, proxy: &Intercept, uri: &Uri) -> Result<Stream, HttpError> {
    // The port is never left out here.
    let target = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = target.parse().map_err(unconnected)?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&target).map_err(unconnected)?);
    if let Some(credentials) = proxy.basic_auth() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }

    let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unconnected)?;
    let mut answer = pin!(sender.send_request(request));
    let mut is_done = false;
    let answer = poll_fn(|context| {
        if !is_done {
            // How it ends is in the answer.
            is_done = connection.poll_without_shutdown(context).is_ready();
        }
        answer.as_mut().poll(context)
    })
    .await
    .map_err(unconnected)?;
    if !answer.status().is_success() {
        return Err(unconnected(refusal(answer.status(), answer.headers(), proxy, &target)));
    }
    poll_fn(|context| match is_done {
        true => Poll::Ready(Ok(())),
        false => connection.poll_without_shutdown(context),
    })
    .await
    .map_err(unconnected)?;
    let parts = connection.into_parts();
    if !parts.read_buf.is_empty() {
        return Err(unconnected("the proxy sent something before the tunnel was used"));
    }
    Ok(parts.io.into_inner())
}

fn refusal(status: StatusCode, headers: &HeaderMap, proxy: &Intercept, target: &str) -> String {
    let name = proxy.uri().authority().map(ToString::to_string).unwrap_or_default();
    let asked = headers.get_all(PROXY_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let schemes: Vec<&str> = asked.filter_map(|challenge| challenge.split_whitespace().next()).collect();
    let offers_basic =
        schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
    // Only the proxy can have answered: a 401, which tinyproxy gives for a wrong password, is about it, too.
    let said = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED if !offers_basic => {
            format!("wants {} authentication; only Basic is known here", schemes.join(" or "))
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED
            if proxy.basic_auth().is_some() =>
        {
            "refused the user name or password".to_owned()
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED => {
            "wants a user name and password".to_owned()
        }
        _ => format!("refused a connection to {target}"),
    };
    format!("the proxy {name} {said} ({})", status.as_u16())
}
