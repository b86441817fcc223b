//! Whom this process believes.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

use crate::error::TransportError;
use crate::pin::PinnedServer;

/// What this process shows of itself when a server asks (RFC 8446 section 4.3.2).
#[derive(Debug)]
pub(crate) struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, TransportError> {
        const REMEDY: &str =
            "give a PEM file with the private key and its certificate, the certificate first";
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| {
                TransportError::new("the client certificate is not valid PEM", REMEDY).because(error)
            })?;
        if chain.is_empty() {
            return Err(TransportError::new("there is no client certificate", REMEDY));
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            TransportError::new("the client certificate has no key", REMEDY).because(error)
        })?;
        Ok(Self { chain, key })
    }

    pub(crate) fn from_der(chain: &[Vec<u8>], key: &[u8]) -> Result<Self, TransportError> {
        const REMEDY: &str = "give the certificate of the private key, and the key itself";
        if chain.is_empty() {
            return Err(TransportError::new("there is no client certificate", REMEDY));
        }
        let key = PrivateKeyDer::try_from(key.to_vec())
            .map_err(|what| TransportError::new("the client certificate has no key", REMEDY).because(what))?;
        Ok(Self { chain: chain.iter().cloned().map(CertificateDer::from).collect(), key })
    }
}

/// The certificates of a PEM bundle, each of them fit to end a chain.
pub(crate) fn authorities(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    const REMEDY: &str = "give a PEM file with the certificates of the certificate authority";
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(bundle)
        .collect::<Result<_, _>>()
        .map_err(|error| TransportError::new("the CA bundle is not valid PEM", REMEDY).because(error))?;
    if certificates.is_empty() {
        return Err(TransportError::new("the CA bundle holds no certificate", REMEDY));
    }
    for (position, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty().add(certificate.clone()).map_err(|error| {
            let reason = format!("certificate {} of the CA bundle cannot be trusted", position + 1);
            TransportError::new(reason, REMEDY).because(error)
        })?;
    }
    Ok(certificates)
}

/// TLS 1.2 and 1.3, HTTP/2 where the server has it. Believed are the operating system's authorities and `extra` ones, or
/// one server alone if it is `pinned`.
pub(crate) fn configuration(
    extra: Vec<CertificateDer<'static>>,
    pinned: Option<[u8; 20]>,
    identity: Option<ClientIdentity>,
) -> Result<ClientConfig, TransportError> {
    let unusable = |error| {
        TransportError::new(
            "no certificate authority is known, so no server could be believed",
            "install the operating system's CA certificates (package ca-certificates) or configure a CA file",
        )
        .because(error)
    };
    // Named here and not taken from the process: another library's default must not change whom we believe.
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match pinned {
        Some(thumbprint) => Arc::new(PinnedServer::new(thumbprint, Arc::clone(&provider))),
        None => Arc::new(Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(unusable)?),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            TransportError::new("TLS cannot be set up", "report this as a defect").because(error)
        })?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut configuration = match identity {
        Some(ClientIdentity { chain, key }) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                TransportError::new(
                    "the client certificate cannot be used",
                    "check that the key belongs to the first certificate of the file",
                )
                .because(error)
            })?
        }
        None => builder.with_no_client_auth(),
    };
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(configuration)
}
