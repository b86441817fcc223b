//! Client assertions (RFC 7523 section 3), as tolerant of their spelling as the platform is and no more tolerant of
//! their content.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::certificate::{CertificateChain, from_x5c, hexadecimal};
use super::error::{self, AuthorityError};
use super::public_keys;

/// Clients write base64 with padding and without.
const TOLERANT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, TOLERANT);

/// A client assertion that was read and not yet believed.
pub(crate) struct Assertion<'a> {
    algorithm: &'static RsaParameters,
    thumbprint: Thumbprint,
    x5c: Option<Value>,
    claims: Claims,
    message: &'a str,
    signature: Vec<u8>,
}

/// Which certificate the assertion claims to be signed with.
enum Thumbprint {
    Sha1(Vec<u8>),
    Sha256(Vec<u8>),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
    kid: Option<String>,
    /// Counts only for an application that trusts subject names; anything else passes it over, readable or not.
    x5c: Option<Value>,
}

/// The claims; the times may have fractions.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    aud: Value,
    pub(crate) exp: f64,
    pub(crate) nbf: Option<f64>,
}

impl Claims {
    /// The audience, or each of several.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &str> {
        let several = self.aud.as_array().into_iter().flatten();
        several.chain(std::iter::once(&self.aud)).filter_map(Value::as_str)
    }
}

impl<'a> Assertion<'a> {
    /// Reads the compact serialization.
    ///
    /// # Errors
    /// It is no JWT, has another algorithm than RS256 and PS256, or names no certificate.
    pub(crate) fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let malformed = |reason| error::ASSERTION_MALFORMED.with("reason", reason);
        let text = text.trim();
        let (message, signature) =
            text.rsplit_once('.').ok_or_else(|| malformed("The token has no signature."))?;
        let (header, payload) =
            message.split_once('.').ok_or_else(|| malformed("The token has no payload."))?;
        let header: Header = decode_json(header).ok_or_else(|| malformed("The header is not readable."))?;
        let algorithm = match header.alg.as_str() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            _ => return Err(AuthorityError::from(&error::ASSERTION_ALGORITHM)),
        };
        let thumbprint = Thumbprint::of(&header)
            .ok_or_else(|| malformed("No certificate thumbprint specified in token header."))?;
        let claims = decode_json(payload)
            .ok_or_else(|| malformed("The claims are not readable, or iss, sub, aud or exp is missing."))?;
        let signature =
            BASE64_URL.decode(signature).map_err(|_| malformed("The signature is not readable."))?;
        Ok(Self { algorithm, thumbprint, x5c: header.x5c, claims, message, signature })
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the header names this certificate.
    pub(crate) fn names(&self, thumbprint_sha1: &[u8], thumbprint_sha256: &[u8]) -> bool {
        match &self.thumbprint {
            Thumbprint::Sha1(thumbprint) => thumbprint == thumbprint_sha1,
            Thumbprint::Sha256(thumbprint) => thumbprint == thumbprint_sha256,
        }
    }

    /// The certificates that the client sent along in `x5c`, if they are the ones that the header names.
    pub(crate) fn chain(&self) -> Option<CertificateChain> {
        let chain = self.x5c.as_ref().and_then(chain);
        chain.filter(|it| self.names(&it.thumbprint_sha1(), &it.thumbprint_sha256()))
    }

    /// How a message shows the certificate that the header names; only SHA-1 thumbprints are shown.
    pub(crate) fn thumbprint_note(&self) -> String {
        match &self.thumbprint {
            Thumbprint::Sha1(thumbprint) => {
                format!(", Thumbprint of key used by client: '{}'", hexadecimal(thumbprint))
            }
            Thumbprint::Sha256(_) => String::new(),
        }
    }

    /// Whether the key of a certificate in DER signed this.
    ///
    /// # Errors
    /// The certificate has no RSA key.
    pub(crate) fn is_signed_by(&self, certificate: &[u8]) -> Result<bool, AuthorityError> {
        let key = public_keys::of_certificate(certificate, self.algorithm)
            .ok_or_else(|| AuthorityError::from(&error::ASSERTION_ALGORITHM))?;
        Ok(key.verify_sig(self.message.as_bytes(), &self.signature).is_ok())
    }
}

impl Thumbprint {
    /// The SHA-256 thumbprint goes before the SHA-1 one; the oldest clients have it in `kid` alone, in hexadecimal.
    fn of(header: &Header) -> Option<Self> {
        if let Some(thumbprint) = &header.x5t_s256 {
            return decode_any(thumbprint).map(Self::Sha256);
        }
        if let Some(thumbprint) = &header.x5t {
            return decode_any(thumbprint).map(Self::Sha1);
        }
        decode_hex(header.kid.as_deref()?).filter(|thumbprint| thumbprint.len() == 20).map(Self::Sha1)
    }
}

/// `x5c`: a list, as RFC 7515 section 4.1.6 has it, or one certificate.
fn chain(x5c: &Value) -> Option<CertificateChain> {
    let members = x5c.as_array().map_or_else(|| std::slice::from_ref(x5c), Vec::as_slice);
    CertificateChain::new(members.iter().map(|it| from_x5c(it.as_str()?)).collect::<Option<_>>()?)
}

/// Base64 in either alphabet.
pub(super) fn decode_any(text: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(text.trim().replace('+', "-").replace('/', "_")).ok()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// Header, claims, what was signed, and the signature of a compact serialization.
pub(crate) fn decoded_parts<H: DeserializeOwned, C: DeserializeOwned>(
    text: &str,
) -> Option<(H, C, &str, Vec<u8>)> {
    let (message, signature) = text.trim().rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    Some((decode_json(header)?, decode_json(payload)?, message, BASE64_URL.decode(signature).ok()?))
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&decoded(part)?).ok()
}

/// One part of a compact serialization.
pub(super) fn decoded(part: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, claims: &str) -> Result<(), u32> {
        let text = format!("{}.{}.c2ln", BASE64_URL.encode(header), BASE64_URL.encode(claims));
        Assertion::parse(&text).map(drop).map_err(|error| error.entry.code)
    }

    const CLAIMS: &str = r#"{"iss":"a","sub":"a","aud":"b","exp":1.5}"#;

    // AC-2
    #[test]
    fn every_spelling_of_a_thumbprint_is_the_same_thumbprint() {
        let bytes = vec![0xfb, 0xff, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
        for spelling in
            ["-_-_AQIDBAUGBwgJCgsMDQ4PEBE=", "-_-_AQIDBAUGBwgJCgsMDQ4PEBE", "+/+/AQIDBAUGBwgJCgsMDQ4PEBE="]
        {
            assert_eq!(decode_any(spelling), Some(bytes.clone()), "{spelling}");
        }
        assert_eq!(decode_hex("FBFFBF0102030405060708090a0b0c0d0e0f1011"), Some(bytes));
        assert_eq!(decode_hex("é"), None);
    }

    #[test]
    fn an_assertion_that_cannot_be_judged_is_refused() {
        assert_eq!(read(r#"{"alg":"RS256","x5t":"AQI="}"#, CLAIMS), Ok(()));
        assert_eq!(read(r#"{"alg":"PS256","x5t#S256":"AQI","x5c":["x\ny"]}"#, CLAIMS), Ok(()));
        assert_eq!(read(r#"{"alg":"RS256"}"#, CLAIMS), Err(50_027));
        assert_eq!(read(r#"{"alg":"none","x5t":"AQI"}"#, CLAIMS), Err(5_002_730));
        assert_eq!(read(r#"{"alg":"HS256","x5t":"AQI"}"#, CLAIMS), Err(5_002_730));
        assert_eq!(read(r#"{"alg":"RS256","x5t":"AQI"}"#, r#"{"iss":"a"}"#), Err(50_027));
        for text in ["", ".", "..", "a.b", "a.b.c", "e30.e30.e30", "é.é.é"] {
            assert_eq!(Assertion::parse(text).map(drop).unwrap_err().entry.code, 50_027, "{text}");
        }
    }
}
