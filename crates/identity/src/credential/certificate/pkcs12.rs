//! PKCS#12 (RFC 7292): `.pfx` and `.p12`.

use super::material::Material;
use crate::error::Error;

/// Whether the bytes are a PKCS#12 file: a sequence that begins with the version number 3, which neither a certificate
/// nor any kind of key does.
pub(super) fn is_pkcs12(bytes: &[u8]) -> bool {
    let header = match bytes {
        [0x30, length, ..] if *length <= 0x80 => 2,
        [0x30, length, ..] => 2 + usize::from(length & 0x7f),
        _ => return false,
    };
    bytes.get(header..).is_some_and(|content| content.starts_with(&[0x02, 0x01, 0x03]))
}

#[cfg(feature = "pkcs12")]
pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Material, Error> {
    use p12_keystore::Pkcs12Archive;
    use p12_keystore::error::Error as Pkcs12Error;
    use zeroize::Zeroizing;

    use super::material::PrivateKey;
    use super::pem::password_wrong;

    const EXPORT_ANEW: &str = "export it anew with `openssl pkcs12 -export`, and copy it as binary";

    let text = std::str::from_utf8(password.unwrap_or_default())
        .map_err(|_| password_wrong("the password is not text"))?;
    // The format has 16 bits for each (RFC 7292 appendix B.1).
    if text.chars().any(|c| u32::from(c) > 0xFFFF) {
        return Err(Error::credential(
            "the password has a character, such as an emoji, that no PKCS#12 file is opened with",
        )
        .mended_by("export it anew with another password"));
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, text).map_err(|error| match error {
        Pkcs12Error::MacError(_) if password.is_none() => super::pem::password_missing(),
        Pkcs12Error::MacError(_) => password_wrong("the password is wrong"),
        // Without a MAC a wrong password shows only as nonsense.
        Pkcs12Error::Pkcs5Error(_) | Pkcs12Error::UnpadError | Pkcs12Error::InvalidPrivateKey => {
            password_wrong("the file cannot be decrypted: the password is wrong, or the file is damaged")
        }
        Pkcs12Error::UnsupportedEncryptionScheme
        | Pkcs12Error::UnsupportedMacAlgorithm
        | Pkcs12Error::UnsupportedContentType
        | Pkcs12Error::UnsupportedCertificateType => {
            Error::credential("the PKCS#12 file is encrypted by a scheme that is not read")
                .mended_by("export it anew with AES-256, as `openssl pkcs12 -export` does")
        }
        Pkcs12Error::InvalidParameters => {
            Error::credential("the PKCS#12 file asks for too many iterations").mended_by(EXPORT_ANEW)
        }
        _ => Error::credential("the file is a damaged PKCS#12 file").mended_by(EXPORT_ANEW),
    })?;
    let keys =
        archive.keys.iter().map(|bag| PrivateKey::Pkcs8(Zeroizing::new(bag.key.as_der().to_vec()))).collect();
    let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect();
    Ok(Material { keys, certificates })
}

#[cfg(not(feature = "pkcs12"))]
pub(super) fn read(_: &[u8], _: Option<&[u8]>) -> Result<Material, Error> {
    Err(Error::credential("the file is PKCS#12, which this build cannot read (feature `pkcs12`)")
        .mended_by("convert it with `openssl pkcs12 -in FILE -nodes -out app.pem`"))
}
