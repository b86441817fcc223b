//! A certificate and its private key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use der::{Decode, Encode};
use rustls_pki_types::pem::{PemObject, SectionKind};
use unattended_core::{BoxFuture, Secret};
use x509_cert::Certificate;
use zeroize::Zeroize;

use super::{AuthenticationContext, Credential};
use crate::assertion;
use crate::error::Error;
use crate::token_request::TokenRequest;

/// An RSA key and the certificate of its public half: signs a fresh assertion for every attempt (RFC 7523, PS256 with
/// `x5t#S256`).
#[derive(Clone)]
pub struct ClientCertificate(Arc<Inner>);

struct Inner {
    key: RsaKeyPair,
    sha256_thumbprint: [u8; 32],
    subject: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl ClientCertificate {
    /// Reads one PEM text with a private key (PKCS#8 or PKCS#1) and one or more certificates, in any order. The
    /// certificate that belongs to the key is the one that counts.
    ///
    /// # Errors
    /// What is missing, unreadable, encrypted, or does not fit together.
    pub fn from_pem(pem: &Secret) -> Result<Self, Error> {
        let mut keys = Vec::new();
        let mut certificates = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.expose()) {
            let (kind, mut der) = section.map_err(|_| {
                Error::credential("the file is not well-formed PEM (a damaged BEGIN/END block)")
            })?;
            match kind {
                SectionKind::Certificate => certificates.push(der),
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey => {
                    let key = match kind {
                        SectionKind::PrivateKey => RsaKeyPair::from_pkcs8(&der),
                        _ => RsaKeyPair::from_der(&der),
                    };
                    der.zeroize();
                    keys.push(key.map_err(|_| {
                        Error::credential("the private key is not an RSA key of 2048 to 8192 bits")
                    })?);
                }
                SectionKind::EcPrivateKey => {
                    return Err(Error::credential(
                        "the private key is an elliptic-curve key; an RSA key is needed",
                    ));
                }
                _ => der.zeroize(),
            }
        }
        let Some(key) = keys.pop() else {
            let text = pem.expose_text().unwrap_or_default();
            return Err(Error::credential(if text.contains("ENCRYPTED") {
                "the private key is encrypted; decrypt it with `openssl pkcs8 -in FILE -out PLAIN`"
            } else {
                "the file has no private key"
            }));
        };
        if !keys.is_empty() {
            return Err(Error::credential("the file has more than one private key"));
        }
        if certificates.is_empty() {
            return Err(Error::credential("the file has a private key but no certificate"));
        }
        for der in certificates {
            let certificate = Certificate::from_der(&der).map_err(|cause| {
                Error::credential("a certificate in the file cannot be read").caused_by(cause)
            })?;
            let tbs = certificate.tbs_certificate();
            if tbs.subject_public_key_info().subject_public_key.raw_bytes() == key.public_key().as_ref() {
                let validity = tbs.validity();
                return Ok(Self(Arc::new(Inner {
                    sha256_thumbprint: thumbprint(&certificate)?,
                    subject: tbs.subject().to_string(),
                    not_before: validity.not_before.to_system_time(),
                    not_after: validity.not_after.to_system_time(),
                    key,
                })));
            }
        }
        Err(Error::credential("the private key belongs to none of the certificates in the file"))
    }

    /// The distinguished name of the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// SHA-256 of the certificate's DER, in upper-case hexadecimal, as portals show it.
    #[must_use]
    pub fn thumbprint_sha256(&self) -> String {
        self.0.sha256_thumbprint.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// From when on the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.0.not_before
    }

    /// Until when the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after
    }
}

impl Credential for ClientCertificate {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let added = assertion::sign(&self.0.key, &self.0.sha256_thumbprint, context).map(|assertion| {
            request.field("client_id", context.client_id);
            request.field("client_assertion_type", assertion::TYPE);
            request.field("client_assertion", &assertion);
        });
        Box::pin(std::future::ready(added))
    }

    fn expires_at(&self) -> Option<SystemTime> {
        Some(self.0.not_after)
    }

    fn describe(&self) -> String {
        format!("certificate {} ({})", &self.thumbprint_sha256()[..16], self.0.subject)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint_sha256", &self.thumbprint_sha256())
            .finish_non_exhaustive()
    }
}

fn thumbprint(certificate: &Certificate) -> Result<[u8; 32], Error> {
    let der = certificate
        .to_der()
        .map_err(|cause| Error::credential("a certificate in the file cannot be read").caused_by(cause))?;
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &der).as_ref());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{certificate_pem, other_certificate_pem};

    fn complaint(pem: &str) -> String {
        ClientCertificate::from_pem(&Secret::from(pem)).unwrap_err().to_string()
    }

    fn key_of(pem: &str) -> &str {
        let start = pem.find("-----BEGIN PRIVATE").unwrap();
        &pem[start..start + pem[start..].find("-----END PRIVATE KEY-----").unwrap() + 25]
    }

    fn certificate_of(pem: &str) -> &str {
        let start = pem.find("-----BEGIN CERT").unwrap();
        &pem[start..start + pem[start..].find("-----END CERTIFICATE-----").unwrap() + 25]
    }

    #[test]
    fn key_and_chain_load_in_any_order_and_the_keys_own_certificate_counts() {
        let (mine, other) = (certificate_pem(), other_certificate_pem());
        let expected = ClientCertificate::from_pem(&Secret::from(mine)).unwrap().thumbprint_sha256();
        for parts in [
            [certificate_of(other), key_of(mine), certificate_of(mine)],
            [key_of(mine), certificate_of(other), certificate_of(mine)],
            [certificate_of(mine), certificate_of(other), key_of(mine)],
        ] {
            let loaded = ClientCertificate::from_pem(&Secret::from(parts.join("\n"))).unwrap();
            assert_eq!(loaded.thumbprint_sha256(), expected);
        }
    }

    #[test]
    fn a_file_that_cannot_work_says_exactly_why() {
        let (mine, other) = (certificate_pem(), other_certificate_pem());
        assert_eq!(complaint(""), "the file has no private key");
        assert_eq!(complaint(certificate_of(mine)), "the file has no private key");
        assert_eq!(complaint(key_of(mine)), "the file has a private key but no certificate");
        assert_eq!(
            complaint(&[key_of(mine), certificate_of(other)].join("\n")),
            "the private key belongs to none of the certificates in the file"
        );
        assert_eq!(
            complaint(&[key_of(mine), key_of(other)].join("\n")),
            "the file has more than one private key"
        );
        assert!(complaint(&mine[..mine.len() - 40]).contains("well-formed PEM"));
        assert!(
            complaint("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n")
                .contains("encrypted")
        );
        assert!(
            complaint("-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n")
                .contains("elliptic")
        );
    }
}
