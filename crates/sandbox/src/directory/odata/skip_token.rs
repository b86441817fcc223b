//! Page tokens: where the next page begins, sealed so that only what was given out comes back, and not for ever.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::store::Position;

use super::super::fault::Fault;

const TAG_BYTES: usize = 16;

/// Makes and reads the page tokens of one directory at one time.
pub(in crate::directory) struct SkipTokens {
    key: hmac::Key,
    /// Unix seconds.
    now: i64,
    /// How long a token is good, in seconds.
    life: i64,
}

impl SkipTokens {
    /// Tokens under a secret key at a time in Unix seconds, each good for so many.
    pub(in crate::directory) fn new(key: &[u8], now: i64, life: i64) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), now, life }
    }

    /// A token for the page after `position` of the query that `identity` describes.
    pub(in crate::directory) fn seal(&self, identity: &str, position: &Position) -> String {
        let mut bytes = self.now.to_be_bytes().to_vec();
        bytes.extend_from_slice(&position.seq.to_be_bytes());
        if let Some(value) = &position.value {
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
        }
        self.seal_bytes(identity, &bytes)
    }

    /// A token that holds what the answer to the next request needs.
    pub(in crate::directory) fn seal_bytes(&self, identity: &str, bytes: &[u8]) -> String {
        let mut token = self.tag(identity, bytes);
        token.extend_from_slice(bytes);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// Where the page of a token begins.
    ///
    /// # Errors
    /// The token was not given out for this query, or its time is over.
    pub(in crate::directory) fn open(&self, identity: &str, token: &str) -> Result<Position, Fault> {
        let bytes = self.open_bytes(identity, token).ok_or_else(Fault::unusable_page_token)?;
        let (issued, position) = bytes.split_first_chunk().ok_or_else(Fault::unusable_page_token)?;
        if self.now.saturating_sub(i64::from_be_bytes(*issued)) >= self.life {
            return Err(Fault::unusable_page_token());
        }
        let (seq, value) = position.split_first_chunk().ok_or_else(Fault::unusable_page_token)?;
        let value = value.strip_prefix(b"=").map(|value| String::from_utf8_lossy(value).into_owned());
        Ok(Position { seq: i64::from_be_bytes(*seq), value })
    }

    /// What a token holds; nothing if it was not given out for this.
    pub(in crate::directory) fn open_bytes(&self, identity: &str, token: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, rest) = bytes.split_at_checked(TAG_BYTES)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(tag, &self.tag(identity, rest)[..])) {
            return None;
        }
        Some(bytes.split_off(TAG_BYTES))
    }

    fn tag(&self, identity: &str, position: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&identity.len().to_be_bytes());
        context.update(identity.as_bytes());
        context.update(position);
        context.sign().as_ref()[..TAG_BYTES].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealing(key: &[u8]) -> SkipTokens {
        SkipTokens::new(key, 1_000, 60)
    }

    #[test]
    fn a_token_ends_with_its_time() {
        let position = Position { seq: 7, value: None };
        let token = sealing(b"a key").seal("users", &position);
        let at = |now| SkipTokens::new(b"a key", now, 60).open("users", &token);
        assert_eq!(at(1_059).unwrap(), position);
        assert_eq!(at(1_060).unwrap_err().code, "Directory_ExpiredPageToken");
        // Time may have travelled back.
        assert_eq!(at(0).unwrap(), position);
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place_in_its_query_only(
            seq in any::<i64>(), value in proptest::option::of("\\PC{0,30}"), identity in "\\PC{0,30}",
        ) {
            let tokens = sealing(b"a key");
            let position = Position { seq, value };
            let token = tokens.seal(&identity, &position);
            prop_assert_eq!(tokens.open(&identity, &token).unwrap(), position);
            prop_assert!(sealing(b"another").open(&identity, &token).is_err());
            let other = identity + "x";
            prop_assert!(tokens.open(&other, &token).is_err());
        }

        #[test]
        fn a_token_that_was_tampered_with_is_refused(at in 0_usize..32, flip in 1_u8..64) {
            let tokens = sealing(b"a key");
            let token = tokens.seal("users", &Position { seq: 7, value: None });
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let fault = tokens.open("users", &BASE64_URL_SAFE_NO_PAD.encode(bytes)).unwrap_err();
            prop_assert_eq!(fault.code, "Directory_ExpiredPageToken");
        }

        #[test]
        fn no_text_makes_it_panic(token in "\\PC{0,80}") {
            prop_assert!(sealing(b"a key").open("users", &token).is_err());
        }
    }
}
