//! The one session: a key that works once, exchanged for a cookie.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use unattended_core::Secret;

use crate::error::ConsoleError;

const BYTES: usize = 32;

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Session {
    /// The key of the login URL, until somebody has used it.
    key: Mutex<Option<Secret>>,
    token: Secret,
    /// Cookies belong to a host, whatever the port: with the port in its name, two consoles do not take each other's.
    cookie: String,
}

impl Session {
    /// A session that nobody has begun, and the key to it.
    pub(crate) fn new(port: u16) -> Result<(Self, Secret), ConsoleError> {
        let key = random()?;
        let session = Self {
            key: Mutex::new(Some(key.clone())),
            token: random()?,
            cookie: format!("unattended-console-{port}"),
        };
        Ok((session, key))
    }

    /// Takes the key, if it is the key: the value of the `Set-Cookie` header that lets its holder in. Whoever comes
    /// second has no key any more.
    pub(crate) fn redeem(&self, offered: &str) -> Option<String> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        // Equality of secrets takes the same time wherever they differ.
        key.take_if(|key| *key == Secret::from(offered))?;
        let token = self.token.expose_text()?;
        Some(format!("{}={token}; Path=/; HttpOnly; SameSite=Strict", self.cookie))
    }

    /// Whether the request carries the cookie.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(name, value)| name == self.cookie && self.token == Secret::from(value))
    }
}

/// 256 bits, as text that needs no encoding in a URL or a cookie.
fn random() -> Result<Secret, ConsoleError> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ConsoleError::random())?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cookie(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_key_works_once_and_a_wrong_one_does_not_use_it_up() {
        let (session, key) = Session::new(8642).unwrap();
        let key = key.expose_text().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(key).unwrap().len(), 32);
        for wrong in ["", "x", &key[1..], &key.to_lowercase()] {
            assert_eq!(session.redeem(wrong), None, "{wrong}");
        }
        let cookie = session.redeem(key).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(session.redeem(key), None);

        let pair = cookie.split(';').next().unwrap();
        assert!(session.admits(&with_cookie(pair)) && session.admits(&with_cookie(&format!("a=b; {pair}"))));
        let another_console = pair.replace("8642", "8643");
        for wrong in ["", "unattended-console-8642=", &another_console, &format!("{pair}x")] {
            assert!(!session.admits(&with_cookie(wrong)), "{wrong}");
        }
    }

    #[test]
    fn keys_and_tokens_are_not_in_the_debug_output() {
        let (session, key) = Session::new(1).unwrap();
        let shown = format!("{session:?}{key:?}");
        assert!(
            !shown.contains(key.expose_text().unwrap())
                && !shown.contains(session.token.expose_text().unwrap())
        );
    }
}
