//! HTTPS: connections in, requests to the router.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::DATE;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use unattended_core::Clock;

use crate::dated::http_date;
use crate::faults::Reset;
use crate::mutual_tls::MutualTls;
use crate::settled::settled;
use crate::tls::Doors;

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, the pause since its last one included: longer than client
/// libraries keep idle connections, so that the server is not the one to close them under a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);

/// How long requests under way may take to end once the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most bytes of header fields in one request: a token of 64 KiB and some.
const MAX_HEADER_BYTES: usize = 128 * 1024;

/// What every connection needs.
pub(crate) struct Server {
    router: Router,
    tls: Doors,
    clock: Arc<dyn Clock>,
    /// The time in the sandbox, which answers tell: clients learn from it how far their own clocks are off.
    told: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Server {
    pub(crate) fn new(
        router: Router,
        tls: Doors,
        clock: Arc<dyn Clock>,
        told: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Self {
        Self { router, tls, clock, told, stop }
    }

    /// Serves until `stop` is cancelled, then lets requests under way end, up to five seconds. What goes wrong on a
    /// connection stays on that connection.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let server = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = server.stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(settled(Arc::clone(&server).connection(stream, peer)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::select! {
                            () = server.stop.cancelled() => break,
                            () = server.clock.sleep(ACCEPT_PAUSE) => {}
                        }
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = drained => {}
            () = server.clock.sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("requests under way were cut off"),
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Small answers leave at once; without it a request can wait 40 ms for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "could not set TCP_NODELAY");
        }
        let stream = tokio::select! {
            () = self.stop.cancelled() => return,
            () = self.clock.sleep(HANDSHAKE_TIMEOUT) => return tracing::debug!(%peer, "TLS handshake took too long"),
            accepted = self.handshake(stream) => match accepted {
                Ok(stream) => stream,
                Err(error) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
            },
        };
        let mutual_tls = MutualTls::of(stream.get_ref().1);
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            if let Some(mutual_tls) = &mutual_tls {
                request.extensions_mut().insert(mutual_tls.clone());
            }
            let (answer, told) = (self.router.clone().oneshot(request), Arc::clone(&self.told));
            answer.map(move |answer| match answer {
                Ok(response) if response.extensions().get::<Reset>().is_some() => Err(CutOnPurpose),
                Ok(mut response) => {
                    response.headers_mut().insert(DATE, http_date(told.now()));
                    Ok(response)
                }
                Err(never) => match never {},
            })
        });
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

impl Server {
    /// Agrees on TLS through the door of the name that the client asks for.
    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let config = self.tls.of(start.client_hello().server_name());
        start.into_stream(config).await
    }
}

/// Ends a connection without an answer, or one stream of it.
#[derive(Debug)]
struct CutOnPurpose;

impl fmt::Display for CutOnPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl Error for CutOnPurpose {}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEADER_BYTES as u32);
    builder
}
