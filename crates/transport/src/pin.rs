//! One server, known by its certificate.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Believes the server that holds the key of one certificate, whoever signed that and whatever name is in it: a local
/// service that an orchestrator names by its thumbprint.
#[derive(Debug)]
pub(crate) struct PinnedServer {
    thumbprint: [u8; 20],
    provider: Arc<CryptoProvider>,
}

impl PinnedServer {
    pub(crate) fn new(thumbprint: [u8; 20], provider: Arc<CryptoProvider>) -> Self {
        Self { thumbprint, provider }
    }
}

/// Forty hexadecimal digits, with or without colons.
pub(crate) fn parse(thumbprint: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = thumbprint.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
    let mut bytes = [0; 20];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match digest(&SHA1_FOR_LEGACY_USE_ONLY, end_entity).as_ref() == self.thumbprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_forty_digits_however_they_are_grouped() {
        let expected = Some([0xAB; 20]);
        assert_eq!(parse(&"AB".repeat(20)), expected);
        assert_eq!(parse(&["ab"; 20].join(":")), expected);
        for wrong in ["", "AB", &"XY".repeat(20), &"+1".repeat(20), &"AB".repeat(32)] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
