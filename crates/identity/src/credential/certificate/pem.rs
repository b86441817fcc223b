//! PEM text (RFC 7468), read leniently: whatever stands between the blocks, and any width of line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
#[cfg(feature = "encrypted-pkcs8")]
use der::Decode;
use zeroize::Zeroizing;

use super::material::{Material, PrivateKey};
use crate::error::Error;

/// The same key and password, encrypted as it is done today.
const REWRITE: &str =
    "rewrite it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW`, and put the certificate below";

struct Block<'t> {
    label: &'t str,
    der: Zeroizing<Vec<u8>>,
}

/// The key and the certificates of a PEM text.
pub(super) fn read(text: &str, password: Option<&[u8]>) -> Result<Material, Error> {
    let mut keys = Vec::new();
    let mut certificates = Vec::new();
    for block in blocks(text)? {
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                certificates.push(block.der.to_vec());
            }
            "PRIVATE KEY" => keys.push(PrivateKey::Pkcs8(block.der)),
            "RSA PRIVATE KEY" => keys.push(PrivateKey::Pkcs1(block.der)),
            "EC PRIVATE KEY" => keys.push(PrivateKey::Sec1(block.der)),
            "ENCRYPTED PRIVATE KEY" => keys.push(PrivateKey::Pkcs8(decrypt(&block.der, password)?)),
            "OPENSSH PRIVATE KEY" => {
                return Err(Error::credential(
                    "the private key is in OpenSSH's own format; PKCS#8 is needed",
                )
                .mended_by("rewrite it in its place with `ssh-keygen -p -m PKCS8 -f FILE`"));
            }
            _ => {}
        }
    }
    Ok(Material { keys, certificates })
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, Error> {
    let damaged = || {
        Error::credential("the file is not well-formed PEM (a damaged BEGIN/END block)")
            .mended_by("copy it anew, every line from `-----BEGIN` to `-----END`")
    };
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Zeroizing<String>)> = None;
    for line in text.lines().map(str::trim) {
        let mark = |edge: &str| line.strip_prefix(edge).and_then(|rest| rest.strip_suffix("-----"));
        match &mut open {
            None => {
                if let Some(label) = mark("-----BEGIN ") {
                    open = Some((label, Zeroizing::new(String::with_capacity(text.len()))));
                }
            }
            Some((label, content)) => match mark("-----END ") {
                Some(end) if end == *label => {
                    let der = STANDARD.decode(content.as_bytes()).map_err(|_| damaged())?;
                    blocks.push(Block { label, der: Zeroizing::new(der) });
                    open = None;
                }
                None if line.starts_with("Proc-Type:") && line.contains("ENCRYPTED") => {
                    return Err(Error::credential(
                        "the private key is encrypted in OpenSSL's old format (DEK-Info)",
                    )
                    .mended_by(REWRITE));
                }
                None if !line.starts_with('-') => content.push_str(line),
                _ => return Err(damaged()),
            },
        }
    }
    if open.is_some() { Err(damaged()) } else { Ok(blocks) }
}

#[cfg(feature = "encrypted-pkcs8")]
fn decrypt(der: &[u8], password: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Error> {
    use pkcs8::pkcs5::EncryptionScheme;
    use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};

    /// Minutes of work: nobody's file, and somebody's attack.
    const MOST_ITERATIONS: u32 = 10_000_000;

    let password = password.ok_or_else(password_missing)?;
    let unsupported =
        || Error::credential("the private key is encrypted by an old scheme (PBES1)").mended_by(REWRITE);
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| match names_old_scheme(der) {
        true => unsupported(),
        false => Error::credential("the encrypted private key is damaged").mended_by("copy the file anew"),
    })?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return Err(unsupported()) };
    if parameters.kdf.pbkdf2().is_some_and(|kdf| kdf.iteration_count > MOST_ITERATIONS) {
        return Err(
            Error::credential("the encrypted private key asks for too many iterations").mended_by(REWRITE)
        );
    }
    match info.decrypt(password) {
        Ok(document) => Ok(document.to_bytes()),
        // A wrong key makes wrong padding, or by chance right padding around what is no key.
        Err(
            pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed)
            | pkcs8::Error::Asn1(_)
            | pkcs8::Error::KeyMalformed(_),
        ) => Err(password_wrong("the password is wrong")),
        Err(_) => Err(unsupported()),
    }
}

/// Whether the scheme is one of PKCS#12 (appendix C) or PBES1 of PKCS#5.
#[cfg(feature = "encrypted-pkcs8")]
fn names_old_scheme(der: &[u8]) -> bool {
    let oid = super::key::sequence(der)
        .and_then(|mut reader| x509_cert::spki::AlgorithmIdentifierRef::decode(&mut reader).ok())
        .map(|scheme| scheme.oid.to_string())
        .unwrap_or_default();
    oid.starts_with("1.2.840.113549.1.12.1.") || oid.starts_with("1.2.840.113549.1.5.")
}

#[cfg(not(feature = "encrypted-pkcs8"))]
fn decrypt(_: &[u8], _: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Error> {
    Err(Error::credential(
        "the private key is encrypted, which this build cannot read (feature `encrypted-pkcs8`)",
    )
    .mended_by("decrypt it with `openssl pkcs8 -in FILE -out PLAIN`"))
}

#[cfg(any(feature = "encrypted-pkcs8", feature = "pkcs12"))]
pub(super) fn password_missing() -> Error {
    password_wrong("the private key is protected by a password, and none is given")
}

#[cfg(any(feature = "encrypted-pkcs8", feature = "pkcs12"))]
pub(super) fn password_wrong(message: &str) -> Error {
    Error::credential(message).mended_by("give the password that protects the private key")
}
