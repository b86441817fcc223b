//! A sandbox that listens, and connections to it as clients make them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use unattended_core::{Clock as _, SystemClock};

use crate::RunningSandbox;
use crate::data_directory::DataDirectory;
use crate::sandbox::Prepared;
use crate::tls::{self, Doors};

/// The port that it believes to be on, so that what it says of itself is the same in every test.
pub(super) const PORT: u16 = 8443;

/// A running sandbox and the way to it.
pub(super) struct Served {
    address: SocketAddr,
    authorities: Arc<RootCertStore>,
    _sandbox: RunningSandbox,
}

/// A key and its certificate that a connection shows: an extension of requests.
#[derive(Clone)]
pub(super) struct ShownKey {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: Arc<PrivateKeyDer<'static>>,
}

/// The doors of a new directory, dated by the machine's clock as connections are.
pub(super) fn doors(directory: &DataDirectory) -> Doors {
    tls::doors(directory, SystemClock.now()).unwrap()
}

/// The certificate of the directory's authority.
pub(super) fn authorities(directory: &DataDirectory) -> Arc<RootCertStore> {
    let certificate = directory.read(DataDirectory::CA_CERTIFICATE).unwrap().unwrap();
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_slice(&certificate).unwrap()).unwrap();
    Arc::new(authorities)
}

impl Served {
    pub(super) async fn start(prepared: Prepared, authorities: Arc<RootCertStore>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sandbox = prepared.serve(listener, PORT, Arc::new(SystemClock)).unwrap();
        Self { address, authorities, _sandbox: sandbox }
    }

    /// Sends a request over a connection of its own, to the host that it names.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Response<Incoming> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&self.authorities));
        let config = match request.extensions_mut().remove::<ShownKey>() {
            Some(shown) => {
                config.with_client_auth_cert(vec![shown.certificate], shown.key.clone_key()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let uri = request.uri().clone();
        let host = ServerName::try_from(uri.host().unwrap().to_owned()).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(host, stream).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let authority = HeaderValue::from_str(uri.authority().unwrap().as_str()).unwrap();
        request.headers_mut().insert(HOST, authority);
        *request.uri_mut() = Uri::from(uri.path_and_query().unwrap().clone());
        sender.send_request(request).await.unwrap()
    }
}
