//! How a connection comes about: name, TCP, the proxy's tunnel, TLS.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service as _;
use unattended_core::{Clock, HttpError, HttpErrorKind, within};

use crate::resolver::{Names, Resolver};
use crate::stream::Stream;
use crate::tunnel;

/// From the name to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes connections; keeps none.
pub(crate) struct Connector {
    tcp: HttpConnector<Names>,
    tls: Arc<ClientConfig>,
    /// To a proxy HTTP/1.1 is spoken: an upgrade of the connection is what a tunnel is.
    proxy_tls: Arc<ClientConfig>,
    proxies: Matcher,
    clock: Arc<dyn Clock>,
}

impl Connector {
    pub(crate) fn new(
        tls: ClientConfig,
        proxies: Matcher,
        resolver: Arc<dyn Resolver>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Names::new(resolver));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // A peer that is gone without a word is noticed within a minute, also while a slow answer is waited for.
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(15)));
        tcp.set_keepalive_retries(Some(3));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        let mut proxy_tls = tls.clone();
        proxy_tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tcp, tls: Arc::new(tls), proxy_tls: Arc::new(proxy_tls), proxies, clock }
    }

    /// A connection to the origin of `uri`, ready for HTTP. No byte of a request has left when this fails.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<Stream, HttpError> {
        within(&*self.clock, CONNECT_TIMEOUT, pin!(self.stream(uri))).await.unwrap_or_else(|| {
            let seconds = CONNECT_TIMEOUT.as_secs();
            Err(unconnected(format!("the connection was not ready within {seconds} seconds")))
        })
    }

    async fn stream(&self, uri: &Uri) -> Result<Stream, HttpError> {
        let stream = match self.proxies.intercept(uri) {
            Some(proxy) => self.through(&proxy, uri).await?,
            None => self.dial(uri).await?,
        };
        if uri.scheme() == Some(&Scheme::HTTPS) { encrypt(stream, uri, &self.tls).await } else { Ok(stream) }
    }

    async fn through(&self, proxy: &Intercept, uri: &Uri) -> Result<Stream, HttpError> {
        let mut stream = self.dial(proxy.uri()).await.map_err(|error| Unreached::by_proxy(proxy, error))?;
        if proxy.uri().scheme() == Some(&Scheme::HTTPS) {
            let encrypted = encrypt(stream, proxy.uri(), &self.proxy_tls).await;
            stream = encrypted.map_err(|error| Unreached::by_proxy(proxy, error))?;
        }
        tunnel::open(stream, proxy, uri).await
    }

    async fn dial(&self, uri: &Uri) -> Result<Stream, HttpError> {
        let stream = self.tcp.clone().call(uri.clone()).await.map_err(unconnected)?;
        Ok(Stream::Plain(stream.into_inner()))
    }
}

async fn encrypt(stream: Stream, uri: &Uri, tls: &Arc<ClientConfig>) -> Result<Stream, HttpError> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(unconnected)?;
    let encrypted = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    encrypted.map(|stream| Stream::Tls(Box::new(stream))).map_err(unconnected)
}

pub(crate) fn unconnected(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpError {
    HttpError::new(HttpErrorKind::Connect, cause)
}

/// It is the proxy, and not the server, that cannot be reached.
#[derive(Debug)]
struct Unreached {
    proxy: String,
    source: HttpError,
}

impl Unreached {
    fn by_proxy(proxy: &Intercept, source: HttpError) -> HttpError {
        // Without user name and password: those are kept apart from the address.
        unconnected(Self {
            proxy: proxy.uri().authority().map(ToString::to_string).unwrap_or_default(),
            source,
        })
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} cannot be used", self.proxy)
    }
}

impl std::error::Error for Unreached {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}
