//! Certificates: making one, reading one, and the numbers by which a directory knows it.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use der::{Decode as _, Encode as _};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RsaKeySize};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use unattended_core::Secret;
use zeroize::Zeroize as _;

use crate::error::Error;

/// A certificate without its private key.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// A new certificate and its private key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SelfSigned {
    /// The private key (PKCS#8) and the certificate in one PEM text. It belongs into a file of mode 0600.
    pub pem: Secret,
    /// The certificate alone.
    pub certificate: Certificate,
}

/// Makes an RSA key of 3072 bits and a certificate for it that it signs itself.
///
/// This takes some hundred milliseconds of computation: from an async task, use a blocking one.
///
/// # Errors
/// An empty name; a validity of no days, of more than 36,500, or one that begins before 1970 or ends after 9999; a
/// failure of the cryptographic library.
pub fn make_self_signed(common_name: &str, not_before: SystemTime, days: u32) -> Result<SelfSigned, Error> {
    const DAY: Duration = Duration::from_secs(86_400);
    const YEAR_8000: Duration = Duration::from_secs(190_288_396_800);
    // RFC 5280 appendix A.1, ub-common-name.
    let common_name: String = common_name.trim().chars().take(64).collect();
    if common_name.is_empty() {
        return Err(Error::new("a certificate needs a name"));
    }
    let begins = not_before.duration_since(SystemTime::UNIX_EPOCH).ok().filter(|since| *since < YEAR_8000);
    let Some(begins) = begins.filter(|_| (1..=36_500).contains(&days)) else {
        return Err(Error::new(format!("a certificate cannot be valid for {days} days from then")));
    };
    // X.509 counts whole seconds.
    let begins = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(begins.as_secs());

    let failed = |source: rcgen::Error| Error::new("the certificate could not be made").because(source);
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(failed)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.not_before = begins;
    parameters.not_after = begins + DAY * days;
    let signed = parameters.self_signed(&key).map_err(failed)?;

    let mut key_pem = key.serialize_pem();
    let pem = Secret::new(format!("{key_pem}{}", signed.pem()));
    key_pem.zeroize();
    Ok(SelfSigned { pem, certificate: Certificate::from_der(signed.der())? })
}

impl Certificate {
    /// Reads a PEM text. If it holds a private key too, the certificate is the one of that key, wherever it stands;
    /// otherwise it is the first one.
    ///
    /// # Errors
    /// What is missing, unreadable, or does not fit together.
    pub fn from_pem(pem: &Secret) -> Result<Self, Error> {
        let mut public_key: Option<Vec<u8>> = None;
        let mut certificates = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.expose()) {
            let (kind, mut der) =
                section.map_err(|_| Error::new("the certificate is not well-formed PEM"))?;
            match kind {
                SectionKind::Certificate => certificates.push(Self::from_der(&der)?),
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey => {
                    let key = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
                    der.zeroize();
                    let key = key.map_err(|_| {
                        Error::new("the private key is not an RSA key of at least 2048 bits")
                            .mend("make a new certificate with `--certificate new`")
                    })?;
                    public_key = Some(key.public_key().as_ref().to_vec());
                }
                _ => der.zeroize(),
            }
        }
        let mut candidates = certificates.into_iter();
        match public_key {
            None => candidates.next().ok_or_else(|| Error::new("there is no certificate in it")),
            Some(public_key) => candidates
                .find(|certificate| certificate.public_key().as_ref() == Some(&public_key))
                .ok_or_else(|| Error::new("the private key belongs to no certificate in it")),
        }
    }

    /// Reads a DER-encoded certificate (RFC 5280).
    ///
    /// # Errors
    /// It is none.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let parsed =
            parse(der).map_err(|cause| Error::new("the certificate cannot be read").because(cause))?;
        let fields = parsed.tbs_certificate();
        Ok(Self {
            der: der.to_vec(),
            subject: fields.subject().to_string(),
            not_before: fields.validity().not_before.to_system_time(),
            not_after: fields.validity().not_after.to_system_time(),
        })
    }

    /// The DER encoding.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The distinguished name of the subject (RFC 4514).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// From when on it is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Until when it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// SHA-256 of the DER encoding, in upper-case hexadecimal.
    #[must_use]
    pub fn thumbprint_sha256(&self) -> String {
        hexadecimal(&self.digest(&SHA256))
    }

    /// SHA-1 of the DER encoding, in upper-case hexadecimal, as portals show it: a name, nothing is trusted by it.
    #[must_use]
    pub fn thumbprint_sha1(&self) -> String {
        hexadecimal(&self.sha1())
    }

    pub(crate) fn sha1(&self) -> Vec<u8> {
        self.digest(&SHA1_FOR_LEGACY_USE_ONLY)
    }

    fn digest(&self, algorithm: &'static Algorithm) -> Vec<u8> {
        digest(algorithm, &self.der).as_ref().to_vec()
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        let parsed = parse(&self.der).ok()?;
        let info = parsed.tbs_certificate().subject_public_key_info();
        Some(info.subject_public_key.raw_bytes().to_vec())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("thumbprint_sha256", &self.thumbprint_sha256())
            .finish_non_exhaustive()
    }
}

/// What follows the certificate is refused: two encodings of one certificate would have two thumbprints.
fn parse(der: &[u8]) -> der::Result<x509_cert::Certificate> {
    let parsed = x509_cert::Certificate::from_der(der)?;
    if parsed.to_der()? == der {
        Ok(parsed)
    } else {
        Err(der::ErrorKind::Noncanonical { tag: der::Tag::Sequence }.into())
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_new_certificate_reads_back_as_it_was_made() {
        let made = make_self_signed("people sync", at(1_800_000_000), 365).unwrap();
        let read = Certificate::from_pem(&made.pem).unwrap();
        assert_eq!(read, made.certificate);
        assert_eq!(read.subject(), "CN=people sync");
        assert_eq!(
            (read.not_before(), read.not_after()),
            (at(1_800_000_000), at(1_800_000_000 + 365 * 86_400))
        );
        assert_eq!((read.thumbprint_sha1().len(), read.thumbprint_sha256().len()), (40, 64));
        let text = made.pem.expose_text().unwrap();
        assert!(
            text.starts_with("-----BEGIN PRIVATE KEY-----") && text.contains("-----BEGIN CERTIFICATE-----")
        );
        assert!(!format!("{made:?}").contains("BEGIN"));
    }

    #[test]
    fn the_certificate_of_the_key_is_found_wherever_it_stands() {
        let (mine, other) =
            (make_self_signed("mine", at(0), 1).unwrap(), make_self_signed("other", at(0), 1).unwrap());
        let split = |pem: &Secret| {
            let text = pem.expose_text().unwrap();
            let (key, certificate) = text.split_at(text.find("-----BEGIN CERTIFICATE-----").unwrap());
            (key.to_owned(), certificate.to_owned())
        };
        let ((key, certificate), (_, foreign)) = (split(&mine.pem), split(&other.pem));
        let read =
            |text: String| Certificate::from_pem(&Secret::from(text)).map(|it| it.subject().to_owned());
        assert_eq!(read(format!("{foreign}{certificate}{key}")).unwrap(), "CN=mine");
        assert_eq!(read(format!("{foreign}{certificate}")).unwrap(), "CN=other");
        assert!(
            read(format!("{key}{foreign}")).unwrap_err().to_string().contains("belongs to no certificate")
        );
        assert!(read(key).unwrap_err().to_string().contains("belongs to no certificate"));
        assert!(read("nothing".to_owned()).unwrap_err().to_string().contains("no certificate"));
        assert!(read(certificate.replace("MI", "!!")).is_err());
    }

    #[test]
    fn a_validity_that_makes_no_sense_is_refused() {
        for (name, from, days) in [
            ("", at(0), 1),
            ("a", at(0), 0),
            ("a", at(0), 36_501),
            ("a", at(u64::from(u32::MAX) * 1_000), 1),
            ("a", SystemTime::UNIX_EPOCH - Duration::from_secs(1), 1),
        ] {
            assert!(make_self_signed(name, from, days).is_err(), "{name} {from:?} {days}");
        }
    }
}
