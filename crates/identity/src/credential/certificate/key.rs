//! The private key, and the algorithms it can sign with.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use der::{Decode, SliceReader};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::material::PrivateKey;
use crate::error::Error;

/// How a client assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256: what an RSA key signs with unless told otherwise.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: for servers that know nothing newer, such as AD FS. The header then carries
    /// `x5t` beside `x5t#S256`, which they do not know either.
    Rs256,
    /// ECDSA on P-256 with SHA-256: what an elliptic-curve key signs with. Not at the Microsoft identity platform.
    Es256,
}

impl SigningAlgorithm {
    /// The value of `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

pub(super) const ANOTHER_KEY: &str = "make and register a certificate with an RSA key of 2048 to 8192 bits";

/// A private key in the memory of this process.
pub(crate) enum LocalKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl LocalKey {
    pub(super) fn from_material(key: &PrivateKey) -> Result<Self, Error> {
        let ec = |der| EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        match key {
            PrivateKey::Pkcs1(der) => RsaKeyPair::from_der(der).map(Self::Rsa).map_err(rsa_rejected),
            PrivateKey::Sec1(der) => ec(der).map(Self::P256).map_err(|_| other_curve()),
            PrivateKey::Pkcs8(der) => match algorithm_of(der).as_deref() {
                Some("1.2.840.113549.1.1.1") => {
                    RsaKeyPair::from_pkcs8(der).map(Self::Rsa).map_err(rsa_rejected)
                }
                Some("1.2.840.10045.2.1") => ec(der).map(Self::P256).map_err(|_| other_curve()),
                Some("1.3.101.112") => Err(kind("an Ed25519 key")),
                Some("1.2.840.113549.1.1.10") => Err(kind("an RSA key for PSS alone")),
                Some(_) => Err(kind("of another kind")),
                None => Err(damaged()),
            },
        }
    }

    /// As it stands in the certificate that belongs to the key.
    pub(super) fn public_key(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.public_key().as_ref(),
            Self::P256(key) => key.public_key().as_ref(),
        }
    }

    /// `None` if the key cannot sign so.
    pub(crate) fn sign(&self, algorithm: SigningAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let rsa = |key: &RsaKeyPair, padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(padding, &random, message, &mut signature).ok().map(|()| signature)
        };
        match (self, algorithm) {
            (Self::Rsa(key), SigningAlgorithm::Ps256) => rsa(key, &RSA_PSS_SHA256),
            (Self::Rsa(key), SigningAlgorithm::Rs256) => rsa(key, &RSA_PKCS1_SHA256),
            (Self::P256(key), SigningAlgorithm::Es256) => {
                key.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            _ => None,
        }
    }
}

/// The dotted identifier of the algorithm of a PKCS#8 key.
fn algorithm_of(der: &[u8]) -> Option<String> {
    let mut reader = sequence(der)?;
    u8::decode(&mut reader).ok()?;
    AlgorithmIdentifierRef::decode(&mut reader).ok().map(|algorithm| algorithm.oid.to_string())
}

/// The content of a DER sequence.
pub(super) fn sequence(der: &[u8]) -> Option<SliceReader<'_>> {
    let mut reader = SliceReader::new(der).ok()?;
    let header = der::Header::decode(&mut reader).ok()?;
    (header.tag() == der::Tag::Sequence).then_some(reader)
}

fn rsa_rejected(reason: KeyRejected) -> Error {
    match reason.to_string().as_str() {
        "TooSmall" => {
            Error::credential("the private key is an RSA key of less than 2048 bits").mended_by(ANOTHER_KEY)
        }
        "TooLarge" => {
            Error::credential("the private key is an RSA key of more than 8192 bits").mended_by(ANOTHER_KEY)
        }
        _ => damaged(),
    }
}

fn damaged() -> Error {
    Error::credential("the private key is damaged")
        .mended_by("export or copy the key and its certificate anew")
}

fn other_curve() -> Error {
    Error::credential("the private key is an elliptic-curve key of another curve than P-256, or damaged")
        .mended_by(ANOTHER_KEY)
}

fn kind(what: &str) -> Error {
    Error::credential(format!("the private key is {what}; an RSA key or a P-256 key is needed"))
        .mended_by(ANOTHER_KEY)
}
