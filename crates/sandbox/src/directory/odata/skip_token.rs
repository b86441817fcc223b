//! Page tokens: where the next page begins, sealed so that only what was given out comes back.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::store::Position;

use super::super::fault::Fault;

const TAG_BYTES: usize = 16;

/// Makes and reads the page tokens of one directory.
pub(in crate::directory) struct SkipTokens(hmac::Key);

impl SkipTokens {
    /// Tokens under a secret key.
    pub(in crate::directory) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A token for the page after `position` of the query that `identity` describes.
    pub(in crate::directory) fn seal(&self, identity: &str, position: &Position) -> String {
        let mut bytes = position.seq.to_be_bytes().to_vec();
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
    /// The token was not given out for this query.
    pub(in crate::directory) fn open(&self, identity: &str, token: &str) -> Result<Position, Fault> {
        let position = self.open_bytes(identity, token).ok_or_else(Fault::unusable_page_token)?;
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
        let mut context = hmac::Context::with_key(&self.0);
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

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place_in_its_query_only(
            seq in any::<i64>(), value in proptest::option::of("\\PC{0,30}"), identity in "\\PC{0,30}",
        ) {
            let tokens = SkipTokens::new(b"a key");
            let position = Position { seq, value };
            let token = tokens.seal(&identity, &position);
            prop_assert_eq!(tokens.open(&identity, &token).unwrap(), position);
            prop_assert!(SkipTokens::new(b"another").open(&identity, &token).is_err());
            let other = identity + "x";
            prop_assert!(tokens.open(&other, &token).is_err());
        }

        #[test]
        fn a_token_that_was_tampered_with_is_refused(at in 0_usize..32, flip in 1_u8..64) {
            let tokens = SkipTokens::new(b"a key");
            let token = tokens.seal("users", &Position { seq: 7, value: None });
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let fault = tokens.open("users", &BASE64_URL_SAFE_NO_PAD.encode(bytes)).unwrap_err();
            prop_assert_eq!(fault.code, "Directory_ExpiredPageToken");
        }

        #[test]
        fn no_text_makes_it_panic(token in "\\PC{0,80}") {
            prop_assert!(SkipTokens::new(b"a key").open("users", &token).is_err());
        }
    }
}
