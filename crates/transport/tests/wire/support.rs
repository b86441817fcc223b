//! A server of one's own: an authority, a certificate for `localhost`, and a listener on a free port.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::reserved_port::ReservedPort;

/// What a server offers that does not know HTTP/2.
pub(crate) const HTTP_1: &[&[u8]] = &[b"http/1.1"];

/// An authority that nobody knows, and a server certificate that it issued.
pub(crate) struct Pki {
    pub(crate) ca_pem: String,
    pub(crate) certificate: rustls_pki_types::CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost", "0.0.0.0"].map(str::to_owned))
            .unwrap()
            .signed_by(&key, &Issuer::new(ca, ca_key))
            .unwrap();
        Self { ca_pem, certificate: certificate.der().clone(), key: key.serialize_der() }
    }

    /// Key and certificate as one PEM, as a client would show them.
    pub(crate) fn identity_pem(&self) -> String {
        let pem = |label: &str, der: &[u8]| {
            let encoded = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n")
        };
        pem("PRIVATE KEY", &self.key) + &pem("CERTIFICATE", &self.certificate)
    }

    /// Serves TLS connections of clients that show a certificate of `clients`, each with `handle`; returns the port.
    pub(crate) async fn serve_known<F, H>(&self, clients: &Self, handle: H) -> u16
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
    {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.ca_pem.as_bytes()).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.unwrap())
            .with_single_cert(
                vec![self.certificate.clone()],
                PrivateKeyDer::try_from(self.key.clone()).unwrap(),
            );
        serve_tls(TlsAcceptor::from(Arc::new(configuration.unwrap())), handle).await
    }

    fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let mut configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(configuration))
    }

    /// Serves TLS connections, each with `handle`; returns the port.
    pub(crate) async fn serve<F, H>(&self, protocols: &[&[u8]], handle: H) -> u16
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
    {
        serve_tls(self.acceptor(protocols), handle).await
    }
}

async fn serve_tls<F, H>(acceptor: TlsAcceptor, handle: H) -> u16
where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
{
    let handle = Arc::new(handle);
    let address = serve_plain(move |connection| {
        let (acceptor, handle) = (acceptor.clone(), Arc::clone(&handle));
        async move {
            if let Ok(connection) = acceptor.accept(connection).await {
                handle(connection).await;
            }
        }
    });
    address.await.port()
}

/// Serves TCP connections, each with `handle`.
pub(crate) async fn serve_plain<F, H>(handle: H) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(handle(connection));
        }
    });
    address
}

/// The head of a request, as text.
pub(crate) async fn read_head(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

/// An error and all its causes, as a program would print them.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        text.push_str(&format!(" <- {error}"));
        cause = error.source();
    }
    text
}

/// A server of others, and its ports; stopped when dropped.
pub(crate) struct Server {
    process: std::process::Child,
    ports: Vec<ReservedPort>,
}

impl Server {
    /// Starts it, and waits until it listens on each port.
    pub(crate) fn start(command: &mut std::process::Command, ports: Vec<ReservedPort>) -> Self {
        let process = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let mut server = Self { process, ports };
        for port in &server.ports {
            while std::net::TcpStream::connect(("127.0.0.1", port.number)).is_err() {
                assert!(server.process.try_wait().unwrap().is_none(), "it has ended: {command:?}");
                std::thread::yield_now();
            }
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
