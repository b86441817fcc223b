//! Certificates that clients send along, and whether an application trusts them by subject name and issuer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::{Decode, DecodePem, Encode};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::error::{self, AuthorityError};
use crate::store::TrustedSubject;

/// A longer chain is none that a client means.
const MAX_CERTIFICATES: usize = 10;

/// As many names of a certificate as a message shows.
const MAX_NAMES: usize = 10;

/// A certificate with those that lead to its authority.
#[derive(Clone)]
pub(crate) struct CertificateChain {
    chain: Vec<CertificateDer<'static>>,
    leaf: Certificate,
}

impl CertificateChain {
    /// Takes certificates in DER, the client's own first. `None` if that one cannot be read or there are too many.
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let leaf = Certificate::from_der(chain.first()?).ok()?;
        (chain.len() <= MAX_CERTIFICATES).then_some(Self { chain, leaf })
    }

    /// The client's own certificate in DER.
    pub(crate) fn leaf(&self) -> &[u8] {
        &self.chain[0]
    }

    pub(crate) fn thumbprint_sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, self.leaf()).as_ref().to_vec()
    }

    pub(crate) fn thumbprint_sha256(&self) -> Vec<u8> {
        digest(&SHA256, self.leaf()).as_ref().to_vec()
    }

    /// The value of `x5t#S256` (RFC 8705 section 3.1).
    pub(crate) fn confirmation(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint_sha256())
    }

    /// From when to when it may be used, in Unix seconds.
    pub(crate) fn validity(&self) -> (i64, i64) {
        let validity = self.leaf.tbs_certificate().validity();
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        (seconds(validity.not_before.to_unix_duration()), seconds(validity.not_after.to_unix_duration()))
    }

    /// Whether one of these names is the certificate's, and it was issued by the authority that belongs to the name.
    ///
    /// # Errors
    /// No name fits; the chain does not lead to the authority; the certificate was revoked or is not in its time.
    pub(crate) fn check_trusted(&self, trusted: &[TrustedSubject], now: i64) -> Result<(), AuthorityError> {
        let names = self.names();
        let is_ours = |it: &&TrustedSubject| names.iter().any(|name| is_same_name(name, &it.subject_name));
        let Some(subject) = trusted.iter().find(is_ours) else {
            let shown: Vec<&str> = names.iter().take(MAX_NAMES).map(String::as_str).collect();
            return Err(error::SUBJECT_NOT_AUTHORIZED.with("names", &shown.join(", ")));
        };
        self.check_issuer(&subject.certificate_authorities, now)?;
        let serial = hexadecimal(self.leaf.tbs_certificate().serial_number().as_bytes());
        if subject.revoked_serial_numbers.contains(&serial) {
            return Err(AuthorityError::from(&error::CERTIFICATE_REVOKED));
        }
        Ok(())
    }

    fn check_issuer(&self, authorities: &str, now: i64) -> Result<(), AuthorityError> {
        let refused = |reason: &dyn std::fmt::Display| {
            error::CHAIN_NOT_TRUSTED.with("reason", &format!("The chain is not trusted: {reason}."))
        };
        let verifier = verifier(authorities).ok_or_else(|| refused(&"the authority cannot be read"))?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.try_into().unwrap_or(0)));
        match verifier.verify_client_cert(&self.chain[0], &self.chain[1..], now) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            )) => Err(AuthorityError::from(&error::CERTIFICATE_NOT_IN_TIME)),
            Err(error) => Err(refused(&error)),
        }
    }

    /// The subject, its common name, and the DNS names and addresses that the certificate also has.
    fn names(&self) -> Vec<String> {
        let certificate = self.leaf.tbs_certificate();
        let subject = certificate.subject().to_string();
        let mut names: Vec<String> = Vec::new();
        for part in subject.split(',').map(str::trim) {
            names.extend(part.strip_prefix("CN=").map(str::to_owned));
        }
        if let Ok(Some((_, alternatives))) = certificate.get_extension::<SubjectAltName>() {
            names.extend(alternatives.0.iter().filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.to_string()),
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
                _ => None,
            }));
        }
        if !subject.is_empty() {
            names.insert(0, subject);
        }
        names
    }
}

/// What is wrong with certificates that are to be trusted as authorities.
pub(crate) fn check_authorities(pem: &str) -> Result<(), &'static str> {
    verifier(pem).map(drop).ok_or("there is no certificate of an authority in PEM")
}

/// A serial number as it is written down, such as `0AFF`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn verifier(authorities: &str) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(certificate.ok()?).ok()?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
}

/// `CN=` may be left out; a subject may be written from either end, as programs differ there.
fn is_same_name(name: &str, registered: &str) -> bool {
    let parts = |text: &str| text.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>();
    let (name, registered) = (parts(name), parts(registered));
    match registered.as_slice() {
        [only] => name == registered || only.strip_prefix("cn=").is_some_and(|only| name == [only]),
        several => name == several || name.iter().eq(several.iter().rev()),
    }
}

/// One member of `x5c`: base64 of a certificate in DER, or of the same in PEM, with or without line breaks in it.
pub(super) fn from_x5c(text: &str) -> Option<CertificateDer<'static>> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = super::assertion::decode_any(&compact)?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Some(CertificateDer::from(bytes));
    }
    let certificate = Certificate::from_pem(&bytes).ok()?;
    certificate.to_der().ok().map(CertificateDer::from)
}
