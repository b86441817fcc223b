//! Encryption of what leaves the memory: AES-256-GCM with a random nonce, bound to its key in the store.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unattended_core::Secret;
use zeroize::Zeroizing;

use crate::error::Error;

/// The first byte of everything sealed: the format.
const FORMAT: u8 = 1;
const KEY_LENGTH: usize = 32;
const KEY_NAME_LENGTH: usize = 4;
const HEADER: usize = 1 + KEY_NAME_LENGTH + NONCE_LEN;

/// The keys of a token store. The first seals; all of them open, so that a key can be replaced: give the new one first
/// and the old one beside it for as long as a token lives.
pub struct SealingKeys(Vec<SealingKey>);

struct SealingKey {
    /// Tells keys apart without telling anything about them.
    name: [u8; KEY_NAME_LENGTH],
    key: RandomizedNonceKey,
}

impl SealingKeys {
    /// Keys of 32 bytes each, raw or as base64 (`openssl rand -base64 32`).
    ///
    /// # Errors
    /// There is none, or one has another length.
    pub fn new(secrets: &[Secret]) -> Result<Self, Error> {
        if secrets.is_empty() {
            return Err(Error::configuration("a token store needs a key to encrypt with"));
        }
        secrets.iter().map(SealingKey::new).collect::<Result<_, _>>().map(Self)
    }

    /// Encrypts with the first key what is kept under `name`; nothing if the system has no randomness.
    #[must_use]
    pub fn seal(&self, name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let SealingKey { name: key, key: cipher } = self.0.first()?;
        let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        text.extend_from_slice(plain);
        let nonce = cipher.seal_in_place_append_tag(bound_to(name), &mut text).ok()?;
        let mut sealed = Vec::with_capacity(HEADER + text.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(key);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Some(sealed)
    }

    /// What was sealed under `name`; nothing if it was not, or was changed since.
    #[must_use]
    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, text) = sealed.split_at_checked(HEADER)?;
        let (key, nonce) = header.strip_prefix(&[FORMAT])?.split_at_checked(KEY_NAME_LENGTH)?;
        let mut text = Zeroizing::new(text.to_vec());
        let SealingKey { key: cipher, .. } = self.0.iter().find(|known| known.name == key)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = cipher.open_in_place(nonce, bound_to(name), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl SealingKey {
    fn new(secret: &Secret) -> Result<Self, Error> {
        let decoded =
            secret.expose_text().and_then(|text| STANDARD.decode(text.trim()).ok()).map(Zeroizing::new);
        let bytes = match &decoded {
            Some(decoded) if decoded.len() == KEY_LENGTH => decoded.as_slice(),
            // The line break of an editor; a key may end in that byte itself.
            _ => match secret.expose() {
                [key @ .., b'\n'] if key.len() == KEY_LENGTH => key,
                key => key,
            },
        };
        let wrong = || Error::configuration("the key of the token store is not 32 bytes, raw or as base64");
        if bytes.len() != KEY_LENGTH {
            return Err(wrong());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| wrong())?;
        let mut name = [0; KEY_NAME_LENGTH];
        // A digest of a digest: the name must not help anybody who looks for the key.
        let twice = digest(&SHA256, digest(&SHA256, bytes).as_ref());
        name.copy_from_slice(&twice.as_ref()[..KEY_NAME_LENGTH]);
        Ok(Self { name, key })
    }
}

fn bound_to(name: &str) -> Aad<&[u8]> {
    Aad::from(name.as_bytes())
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> SealingKeys {
        SealingKeys::new(&bytes.iter().map(|byte| Secret::new([*byte; 32])).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_for_its_entry_only() {
        let (one, both, other) = (keys(&[1]), keys(&[2, 1]), keys(&[2]));
        let sealed = one.seal("s", b"canary").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(**both.open("s", &sealed).unwrap(), *b"canary", "the old key still opens");
        assert!(other.open("s", &sealed).is_none(), "another key");
        assert!(one.open("t", &sealed).is_none(), "another entry");
        assert_ne!(sealed, one.seal("s", b"canary").unwrap(), "never the same twice");
    }

    #[test]
    fn a_changed_or_cut_text_is_not_opened() {
        let keys = keys(&[1]);
        let sealed = keys.seal("s", b"canary").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open("s", &changed).is_none(), "byte {at}");
            assert!(keys.open("s", &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_raw_or_as_base64() {
        let text = STANDARD.encode([7; 32]) + "\n";
        let written = SealingKeys::new(&[Secret::from(text)]).unwrap();
        let sealed = written.seal("s", b"x").unwrap();
        assert!(keys(&[7]).open("s", &sealed).is_some());
        let mut ends_like_a_line = [7; 32];
        ends_like_a_line[31] = b'\n';
        assert!(SealingKeys::new(&[Secret::new(ends_like_a_line)]).is_ok());
        let with_a_line_break = [&[7; 32][..], b"\n"].concat();
        let written = SealingKeys::new(&[Secret::new(with_a_line_break)]).unwrap();
        assert!(written.open("s", &sealed).is_some());
        for wrong in ["", "short", "c2hvcnQ="] {
            let error = SealingKeys::new(&[Secret::from(wrong)]).unwrap_err();
            assert!(error.to_string().contains("32 bytes"), "{error}");
        }
        assert!(SealingKeys::new(&[]).is_err());
    }
}
