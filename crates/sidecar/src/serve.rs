//! Connections in, requests to the sidecar.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;
use crate::sidecar::Sidecar;
use crate::socket::Socket;

/// How long a caller may take to send the head of a request, the pause since its last one included: longer than client
/// libraries keep idle connections, so that the sidecar is not the one to close them under a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);

/// The most bytes of header fields in one request.
const LONGEST_HEAD: usize = 64 * 1024;

/// How long requests under way may take to end: less than the 90 seconds that systemd waits.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait when no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// More connections than these wait to be accepted.
const MOST_CONNECTIONS: usize = 512;

impl Sidecar {
    /// Serves until `drain` is cancelled, then lets requests under way end: for a minute, or until `stop`. What goes
    /// wrong on a connection stays on that connection.
    pub async fn serve(self, socket: Socket, drain: CancellationToken, stop: CancellationToken) {
        let sidecar = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = drain.cancelled() => break,
                () = stop.cancelled() => break,
                accepted = socket.listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(Arc::clone(&sidecar), stream, drain.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::select! {
                            () = drain.cancelled() => break,
                            () = sidecar.clock.sleep(ACCEPT_PAUSE) => {}
                        }
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        // Nobody connects to a sidecar that is about to end.
        drop(socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = drained => {}
            () = stop.cancelled() => tracing::warn!("requests under way were cut off"),
            () = sidecar.clock.sleep(DRAIN_TIMEOUT) => tracing::warn!("requests under way were cut off"),
        }
    }
}

async fn connection(sidecar: Arc<Sidecar>, stream: UnixStream, drain: CancellationToken) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "who connects cannot be told, so it is not served"),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let sidecar = Arc::clone(&sidecar);
        async move { Ok::<_, Infallible>(sidecar.answer(peer, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(LONGEST_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(caller = %peer, %error, "connection ended");
    }
}
