//! The second door of the port: mutual TLS (RFC 8705).
//!
//! Only a connection that asks for the name `mtlsauth.localhost` is asked for a certificate, as the platform does it on a
//! host of its own. Browsers and ordinary clients, which ask for `localhost`, never are. Any certificate may come in whose
//! key the client holds: whose certificate it is, the authority decides, which knows what applications registered.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::authority::CertificateChain;

/// The host that asks for certificates.
pub(crate) const HOST: &str = "mtlsauth.localhost";

/// What came through the second door: an extension of each request on such a connection.
#[derive(Clone)]
pub(crate) struct MutualTls {
    /// The certificate whose key the client holds, if it showed one.
    pub(crate) chain: Option<Arc<CertificateChain>>,
}

impl MutualTls {
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        if !connection.server_name().is_some_and(|name| name.eq_ignore_ascii_case(HOST)) {
            return None;
        }
        let chain = connection.peer_certificates().map(|chain| {
            chain.iter().map(|certificate| certificate.clone().into_owned()).collect::<Vec<_>>()
        });
        Some(Self { chain: chain.and_then(CertificateChain::new).map(Arc::new) })
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thumbprint = self.chain.as_ref().map(|chain| chain.confirmation());
        f.debug_struct("MutualTls").field("x5t#S256", &thumbprint).finish()
    }
}

/// Takes any certificate, or none, and checks that the client holds its key.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
