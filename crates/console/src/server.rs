//! Plain HTTP/1.1: connections in, requests to the router.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use unattended_core::Clock;

/// How long a client may take to send the head of a request, the pause since its last one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long requests under way may take to end once the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait when no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most bytes of the head of one request.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A browser has a few connections; more than this is somebody who wants to use up the machine.
const MAX_CONNECTIONS: usize = 64;

/// Serves until `stop` is cancelled. What goes wrong on a connection stays on that connection.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => {}
        () = clock.sleep(SHUTDOWN_TIMEOUT) => {}
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        answer.map(|answer| -> Result<_, Infallible> { answer })
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
