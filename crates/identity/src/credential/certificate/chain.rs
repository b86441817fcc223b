//! The certificate of the key, and those that vouch for it.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use der::{Decode, Encode};
use x509_cert::Certificate;

use crate::error::Error;

/// What an assertion says of its certificate, ready to be sent.
pub(crate) struct Chain {
    /// Base64url of SHA-256 of the certificate's DER.
    pub(crate) x5t_s256: String,
    /// Base64url of SHA-1 of the certificate's DER.
    pub(crate) x5t: String,
    /// The certificate and its issuers in order, each base64 of DER (RFC 7515 section 4.1.6), without a root.
    pub(crate) x5c: Vec<String>,
    pub(super) sha256: [u8; 32],
    pub(super) subject: String,
    pub(super) not_before: der::DateTime,
    pub(super) not_after: der::DateTime,
    pub(super) public_key: Vec<u8>,
    pub(super) algorithm: String,
}

impl Chain {
    /// Finds the certificate of the key, or takes the first one if that is unknown, and follows its issuers through the
    /// file. A certificate that was renewed for the same key may stand beside the one before: then the last to end counts.
    pub(super) fn of(certificates: &[Vec<u8>], public_key: Option<&[u8]>) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Error::credential("the file has a private key but no certificate")
                .mended_by("put the certificate of this key beside it, into the same file"));
        }
        let unreadable = |cause| {
            Error::credential("a certificate in the file cannot be read")
                .mended_by("export or copy the certificate anew")
                .caused_by(cause)
        };
        let all = certificates
            .iter()
            .map(|der| Certificate::from_der(der).map_err(unreadable))
            .collect::<Result<Vec<_>, _>>()?;
        let end = |certificate: &&Certificate| {
            certificate.tbs_certificate().validity().not_after.to_unix_duration()
        };
        let leaf = match public_key {
            Some(key) => all.iter().filter(|certificate| key_of(certificate) == key).max_by_key(end),
            None => all.first(),
        };
        let leaf = leaf.ok_or_else(|| {
            Error::credential(if all.len() == 1 {
                "the private key does not belong to the certificate"
            } else {
                "the private key belongs to none of the certificates in the file"
            })
            .mended_by(
                "put the certificate that was made for this key into the file, or the key of the certificate",
            )
        })?;
        let der = leaf.to_der().map_err(unreadable)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &der).as_ref());
        let mut x5c = vec![STANDARD.encode(&der)];
        let mut last = leaf;
        while let Some(issuer) = issuer_of(last, &all) {
            let encoded = STANDARD.encode(issuer.to_der().map_err(unreadable)?);
            if x5c.contains(&encoded) {
                break;
            }
            x5c.push(encoded);
            last = issuer;
        }
        let tbs = leaf.tbs_certificate();
        let validity = tbs.validity();
        Ok(Self {
            x5t_s256: URL_SAFE_NO_PAD.encode(sha256),
            x5t: URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der)),
            x5c,
            sha256,
            subject: tbs.subject().to_string(),
            not_before: validity.not_before.to_date_time(),
            not_after: validity.not_after.to_date_time(),
            public_key: key_of(leaf).to_vec(),
            algorithm: tbs.subject_public_key_info().algorithm.oid.to_string(),
        })
    }

    /// What `x5c` has, in DER.
    pub(super) fn der(&self) -> Vec<Vec<u8>> {
        self.x5c.iter().filter_map(|certificate| STANDARD.decode(certificate).ok()).collect()
    }

    /// Whether the certificate is in force.
    pub(super) fn check_validity(&self, now: SystemTime) -> Result<(), Error> {
        let day = |time: der::DateTime| format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day());
        if now > self.not_after.to_system_time() {
            return Err(Error::credential(format!("the certificate expired on {}", day(self.not_after)))
                .mended_by("make and register a new certificate, and put it in the place of this one"));
        }
        if now < self.not_before.to_system_time() {
            return Err(Error::credential(format!(
                "the certificate is valid only from {} on",
                day(self.not_before)
            ))
            .mended_by("set the clock of this machine, or use the certificate that is valid now"));
        }
        Ok(())
    }
}

fn key_of(certificate: &Certificate) -> &[u8] {
    certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
}

/// The next one up, unless that is a root: whoever checks the chain has to know the root already.
fn issuer_of<'a>(certificate: &Certificate, all: &'a [Certificate]) -> Option<&'a Certificate> {
    let wanted = certificate.tbs_certificate().issuer();
    all.iter().find(|candidate| {
        let tbs = candidate.tbs_certificate();
        tbs.subject() == wanted && tbs.issuer() != tbs.subject()
    })
}
