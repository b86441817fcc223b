//! What a certificate file holds, whatever its format.

use unattended_core::Secret;
use zeroize::Zeroizing;

use super::{pem, pkcs12};
use crate::error::Error;

const BOTH: &str = "put the private key and its certificate into this one file, as PEM or PKCS#12";

/// Keys and certificates as they stand in the file, none of them looked at yet.
pub(super) struct Material {
    pub(super) keys: Vec<PrivateKey>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// The DER of a private key, in one of its three structures.
pub(super) enum PrivateKey {
    /// RFC 5958.
    Pkcs8(Zeroizing<Vec<u8>>),
    /// RFC 8017, RSA alone.
    Pkcs1(Zeroizing<Vec<u8>>),
    /// RFC 5915, elliptic curves alone.
    Sec1(Zeroizing<Vec<u8>>),
}

impl PrivateKey {
    /// The DER alone, which tells by itself what it is.
    pub(super) fn into_secret(self) -> Secret {
        let (Self::Pkcs8(mut der) | Self::Pkcs1(mut der) | Self::Sec1(mut der)) = self;
        Secret::new(std::mem::take(&mut *der))
    }
}

impl Material {
    /// Reads PEM or PKCS#12, told apart by their content.
    pub(super) fn read(file: &Secret, password: Option<&Secret>) -> Result<Self, Error> {
        let bytes = file.expose();
        let password = password.map(Secret::expose);
        if pkcs12::is_pkcs12(bytes) {
            return pkcs12::read(bytes, password);
        }
        match bytes {
            [] => Err(Error::credential("the file is empty").mended_by(BOTH)),
            [0xFE, 0xED, 0xFE, 0xED, ..] => Err(Error::credential(
                "the file is a Java key store (JKS)",
            )
            .mended_by(
                "convert it to PKCS#12: `keytool -importkeystore -srckeystore FILE -destkeystore NEW -deststoretype PKCS12`",
            )),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                Err(Error::credential("the file is UTF-16 text").mended_by("save it as ASCII or UTF-8"))
            }
            [0x30, ..] if is_certificate(bytes) => {
                Err(Error::credential("the file is one certificate in DER; it has no private key").mended_by(
                    "put its private key and the certificate (`openssl x509 -inform DER -in FILE`) into one PEM file",
                ))
            }
            [0x30, ..] => Err(Error::credential(
                "the file is a bare key in DER, or damaged",
            )
            .mended_by(
                "put the key (`openssl pkey -inform DER -in FILE`) and its certificate into one PEM file",
            )),
            _ => match file.expose_text() {
                Some(text) => pem::read(text.trim_start_matches('\u{feff}'), password),
                None => Err(Error::credential("the file is neither PEM nor PKCS#12").mended_by(BOTH)),
            },
        }
    }

    /// The only private key.
    pub(super) fn only_key(&mut self) -> Result<PrivateKey, Error> {
        match (self.keys.pop(), self.keys.is_empty()) {
            (None, _) => Err(Error::credential("the file has no private key").mended_by(BOTH)),
            (Some(_), false) => Err(Error::credential("the file has more than one private key")
                .mended_by("leave the key of the certificate alone in it")),
            (Some(key), true) => Ok(key),
        }
    }
}

fn is_certificate(bytes: &[u8]) -> bool {
    use der::Decode;
    x509_cert::Certificate::from_der(bytes).is_ok()
}
