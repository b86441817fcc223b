//! A certificate with its private key and its chain, out of PKCS#12 or PEM and back.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, KeyPair as _, RsaKeyPair,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use der::{Decode, Encode, EncodePem};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey, PrivateKeyChain};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use unattended_core::Secret;
use x509_cert::Certificate;

use super::fault::Fault;

/// The content type of a secret that is a PKCS#12 file.
pub(super) const PKCS12: &str = "application/x-pkcs12";

/// The content type of a secret that is PEM.
pub(super) const PEM: &str = "application/x-pem-file";

/// Where PEM begins.
const PEM_BEGINS: &str = "-----BEGIN ";

/// The most certificates of a chain.
const MAX_CHAIN: usize = 20;

/// A private key and the certificates that go with it.
pub(super) struct KeyMaterial {
    /// PKCS#8.
    key: Secret,
    pub(super) key_type: KeyType,
    /// The key's own certificate first, then its issuers.
    chain: Vec<Certificate>,
    /// The form in which it came.
    pub(super) content_type: &'static str,
}

/// What a key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum KeyType {
    /// With the bits of its modulus.
    Rsa(usize),
    /// With the name of its curve.
    Ec(&'static str),
}

impl KeyMaterial {
    /// Reads what a client imports: PEM as it is or in base64, or base64 of a PKCS#12 file with a password.
    pub(super) fn read(value: &Secret, password: &Secret) -> Result<Self, Fault> {
        let text = value.expose_text().unwrap_or_default();
        if text.contains(PEM_BEGINS) {
            return Self::read_pem(text);
        }
        let base64: String = text.split_whitespace().collect();
        let bytes = BASE64_STANDARD
            .decode(base64)
            .map(Secret::new)
            .map_err(|_| Fault::bad_parameter("The value is neither PEM nor base64 of a PKCS#12 file."))?;
        match bytes.expose_text().filter(|text| text.contains(PEM_BEGINS)) {
            Some(text) => Self::read_pem(text),
            None => Self::read_pkcs12(&bytes, password),
        }
    }

    fn read_pem(text: &str) -> Result<Self, Fault> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            Fault::bad_parameter("The PEM has no private key in the form of PKCS#8 (BEGIN PRIVATE KEY).")
        })?;
        let unreadable = || Fault::bad_parameter("A certificate of the PEM cannot be read.");
        let mut certificates = Vec::new();
        for der in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let der = der.map_err(|_| unreadable())?;
            certificates.push(Certificate::from_der(&der).map_err(|_| unreadable())?);
        }
        Self::of(Secret::new(key.secret_pkcs8_der().to_vec()), certificates, PEM)
    }

    fn read_pkcs12(file: &Secret, password: &Secret) -> Result<Self, Fault> {
        let archive = Pkcs12Archive::from_pkcs12(file.expose(), password.expose_text().unwrap_or_default())
            .map_err(|error| {
                tracing::debug!(%error, "a PKCS#12 file was not read");
                Fault::bad_parameter(
                    "The specified PKCS#12 X.509 certificate content cannot be read. Please check if certificate is \
                     in valid PKCS#12 format and that the password is correct.",
                )
            })?;
        let key = archive.keys.first().map(|bag| Secret::new(bag.key.as_der().to_vec()));
        let key = key.ok_or_else(|| Fault::bad_parameter("The PKCS#12 file has no private key."))?;
        let certificates: Result<Vec<_>, _> =
            archive.certs.iter().map(|bag| Certificate::from_der(bag.cert.as_der())).collect();
        let certificates = certificates
            .map_err(|_| Fault::bad_parameter("A certificate of the PKCS#12 file cannot be read."))?;
        Self::of(key, certificates, PKCS12)
    }

    /// Finds the key's certificate, and its issuers behind it.
    fn of(
        key: Secret,
        mut certificates: Vec<Certificate>,
        content_type: &'static str,
    ) -> Result<Self, Fault> {
        let (key_type, public_key) = inspect(&key).ok_or_else(|| {
            Fault::bad_parameter(
                "The private key is neither RSA of 2048 to 4096 bits nor EC of P-256, P-384 or P-521.",
            )
        })?;
        let is_of_key = |certificate: &Certificate| {
            let info = certificate.tbs_certificate().subject_public_key_info();
            info.subject_public_key.raw_bytes() == public_key
        };
        let own = certificates
            .iter()
            .position(is_of_key)
            .ok_or_else(|| Fault::bad_parameter("No certificate belongs to the private key."))?;
        let mut chain = vec![certificates.swap_remove(own)];
        while let Some(issuer) = chain.last().and_then(|last| position_of_issuer(last, &certificates))
            && chain.len() < MAX_CHAIN
        {
            chain.push(certificates.swap_remove(issuer));
        }
        Ok(Self { key, key_type, chain, content_type })
    }

    /// The key's own certificate.
    pub(super) fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// What the secret of the certificate's name holds: PEM, or base64 of a PKCS#12 file without a password.
    pub(super) fn write(&self, content_type: &str) -> Result<Secret, Fault> {
        let failed =
            || Fault::bad_parameter("The certificate cannot be written in the form that was asked for.");
        if content_type == PEM {
            let mut text = pem_of_key(&self.key);
            for certificate in &self.chain {
                text.push_str(&certificate.to_pem(der::pem::LineEnding::LF).map_err(|_| failed())?);
            }
            return Ok(text.into());
        }
        let key = PrivateKey::from_der(self.key.expose()).map_err(|_| failed())?;
        let mut certificates = Vec::new();
        for certificate in &self.chain {
            let der = certificate.to_der().map_err(|_| failed())?;
            certificates.push(p12_keystore::Certificate::from_der(&der).map_err(|_| failed())?);
        }
        let mut store = KeyStore::new();
        let entry = PrivateKeyChain::new("1", key, certificates);
        store.add_entry("certificate", KeyStoreEntry::PrivateKeyChain(entry));
        let bytes = store.writer("").write().map(Secret::new).map_err(|_| failed())?;
        Ok(BASE64_STANDARD.encode(bytes.expose()).into())
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial").field("key_type", &self.key_type).finish_non_exhaustive()
    }
}

fn position_of_issuer(certificate: &Certificate, among: &[Certificate]) -> Option<usize> {
    let certificate = certificate.tbs_certificate();
    among.iter().position(|it| it.tbs_certificate().subject() == certificate.issuer())
}

/// What a key is, and its public half as certificates have it.
fn inspect(key: &Secret) -> Option<(KeyType, Vec<u8>)> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(key.expose()) {
        let bits = pair.public_modulus_len() * 8;
        return Some((KeyType::Rsa(bits), pair.public_key().as_ref().to_vec()));
    }
    let curves = [
        ("P-256", &ECDSA_P256_SHA256_ASN1_SIGNING),
        ("P-384", &ECDSA_P384_SHA384_ASN1_SIGNING),
        ("P-521", &ECDSA_P521_SHA512_ASN1_SIGNING),
    ];
    curves.into_iter().find_map(|(name, algorithm)| {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.expose()).ok()?;
        Some((KeyType::Ec(name), pair.public_key().as_ref().to_vec()))
    })
}

/// The text of a PKCS#8 key (RFC 7468 section 10).
fn pem_of_key(key: &Secret) -> String {
    let body = Secret::from(BASE64_STANDARD.encode(key.expose()));
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in body.expose().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + "-----END PRIVATE KEY-----\n"
}
