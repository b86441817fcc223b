//! Who is signed in, in which browser, and that a form came from a page of ours.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{hmac, rand};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::HeaderMap;
use http::header::COOKIE;

use crate::store::StoreError;

/// How long a sign-in lasts, in seconds.
const LIFETIME: i64 = 3600;

/// How many people may be signed in; the one whose time ends first goes.
const MAX_SESSIONS: usize = 256;

/// How many wrong passwords an account bears, and for how long they count, in seconds.
const MAX_FAILURES: usize = 10;
const FAILURES_COUNT_FOR: i64 = 300;

/// Sign-ins, which end with the process.
pub(super) struct Sessions {
    /// Two sandboxes on one machine share the browser's cookies for `localhost`, so that the port is in the name.
    cookie: String,
    key: hmac::Key,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By visitor.
    sessions: HashMap<String, Session>,
    /// When wrong passwords were given, by tenant.
    failures: HashMap<String, Vec<i64>>,
}

struct Session {
    tenant_id: String,
    ends_at: i64,
}

/// A browser, known by its cookie.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Visitor {
    id: String,
    pub(super) is_new: bool,
}

impl Sessions {
    pub(super) fn new(port: u16) -> Result<Self, StoreError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| StoreError::corrupt("the random number generator failed"))?;
        Ok(Self {
            cookie: format!("__Host-unattended-{port}"),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            state: Mutex::default(),
        })
    }

    /// Who asks; a browser that was never here becomes somebody.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, StoreError> {
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        match pairs.find(|(name, value)| *name == self.cookie && is_id(value)) {
            Some((_, id)) => Ok(Visitor { id: id.to_owned(), is_new: false }),
            None => new_visitor(),
        }
    }

    /// The `Set-Cookie` field for a visitor. It is sent along when a link of another site leads here, and at no other
    /// time to anyone.
    pub(super) fn set_cookie(&self, visitor: &Visitor) -> String {
        format!("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax", self.cookie, visitor.id)
    }

    /// What a form of this visitor carries for one purpose; nobody else can know it.
    pub(super) fn form_token(&self, visitor: &Visitor, purpose: &[&str]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &message(visitor, purpose)))
    }

    /// Whether a form came from the page that was made for this visitor and this purpose.
    pub(super) fn is_form_token(&self, visitor: &Visitor, purpose: &[&str], token: &str) -> bool {
        let tag = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(&self.key, &message(visitor, purpose), &tag).is_ok()
    }

    /// The tenant whose administrator this is.
    pub(super) fn signed_in(&self, visitor: &Visitor, now: i64) -> Option<String> {
        let state = self.state();
        let session = state.sessions.get(&visitor.id)?;
        // A clock that was set back must not lengthen a sign-in.
        (session.ends_at - LIFETIME..session.ends_at).contains(&now).then(|| session.tenant_id.clone())
    }

    /// Signs somebody in, under a new name: the old one may have been planted.
    pub(super) fn sign_in(&self, tenant_id: &str, now: i64) -> Result<Visitor, StoreError> {
        let visitor = new_visitor()?;
        let mut state = self.state();
        state.failures.remove(tenant_id);
        if state.sessions.len() >= MAX_SESSIONS {
            let first = state.sessions.iter().min_by_key(|(_, session)| session.ends_at);
            if let Some(id) = first.map(|(id, _)| id.clone()) {
                state.sessions.remove(&id);
            }
        }
        let session = Session { tenant_id: tenant_id.to_owned(), ends_at: now + LIFETIME };
        state.sessions.insert(visitor.id.clone(), session);
        Ok(visitor)
    }

    pub(super) fn sign_out(&self, visitor: &Visitor) {
        self.state().sessions.remove(&visitor.id);
    }

    /// Counts an attempt at an account before its password is looked at.
    ///
    /// # Errors
    /// There were too many: the seconds to wait.
    pub(super) fn attempt(&self, tenant_id: &str, now: i64) -> Result<(), i64> {
        let mut state = self.state();
        let failures = state.failures.entry(tenant_id.to_owned()).or_default();
        failures.retain(|at| (now - FAILURES_COUNT_FOR + 1..=now).contains(at));
        match failures.as_slice() {
            [first, ..] if failures.len() >= MAX_FAILURES => Err(first + FAILURES_COUNT_FOR - now),
            _ => {
                failures.push(now);
                Ok(())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("is_new", &self.is_new).finish_non_exhaustive()
    }
}

fn new_visitor() -> Result<Visitor, StoreError> {
    let mut id = [0; 32];
    rand::fill(&mut id).map_err(|_| StoreError::corrupt("the random number generator failed"))?;
    Ok(Visitor { id: BASE64_URL_SAFE_NO_PAD.encode(id), is_new: true })
}

fn is_id(value: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD.decode(value).is_ok_and(|id| id.len() == 32)
}

/// Every part with its length before it, so that no two lists make the same message.
fn message(visitor: &Visitor, purpose: &[&str]) -> Vec<u8> {
    let parts = std::iter::once(visitor.id.as_str()).chain(purpose.iter().copied());
    parts.flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new(8443).unwrap()
    }

    fn cookie(sessions: &Sessions, visitor: &Visitor) -> HeaderMap {
        let set = sessions.set_cookie(visitor);
        let mut headers = HeaderMap::new();
        let sent = format!("other=1; {}", set.split(';').next().unwrap());
        headers.insert(COOKIE, sent.parse().unwrap());
        headers
    }

    #[test]
    fn the_cookie_belongs_to_this_origin_alone() {
        let sessions = sessions();
        let visitor = sessions.visitor(&HeaderMap::new()).unwrap();
        let field = sessions.set_cookie(&visitor);
        assert!(field.starts_with("__Host-unattended-8443="));
        assert!(field.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
        let again = sessions.visitor(&cookie(&sessions, &visitor)).unwrap();
        assert_eq!((again.id, again.is_new), (visitor.id, false));
        assert!(!format!("{sessions:?}").contains("key"));
    }

    #[test]
    fn a_cookie_that_was_never_given_out_makes_a_new_visitor() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "__Host-unattended-8443=short".parse().unwrap());
        assert!(sessions().visitor(&headers).unwrap().is_new);
    }

    #[test]
    fn a_sign_in_gets_a_new_name_and_ends() {
        let sessions = sessions();
        let stranger = sessions.visitor(&HeaderMap::new()).unwrap();
        let visitor = sessions.sign_in("t", 1000).unwrap();
        assert!(visitor != stranger && sessions.signed_in(&stranger, 1000).is_none());
        assert_eq!(sessions.signed_in(&visitor, 1000 + LIFETIME - 1).as_deref(), Some("t"));
        assert_eq!(sessions.signed_in(&visitor, 1000 + LIFETIME), None);
        assert_eq!(sessions.signed_in(&visitor, 999), None);
        sessions.sign_out(&visitor);
        assert_eq!(sessions.signed_in(&visitor, 1000), None);
    }

    #[test]
    fn sign_ins_are_not_kept_without_end() {
        let sessions = sessions();
        let first = sessions.sign_in("t", 1).unwrap();
        for now in 2..=MAX_SESSIONS as i64 + 1 {
            sessions.sign_in("t", now).unwrap();
        }
        assert_eq!(sessions.state().sessions.len(), MAX_SESSIONS);
        assert_eq!(sessions.signed_in(&first, 2), None);
    }

    #[test]
    fn a_form_token_is_for_one_visitor_and_one_purpose() {
        let sessions = sessions();
        let [a, b] = [(); 2].map(|()| sessions.visitor(&HeaderMap::new()).unwrap());
        let token = sessions.form_token(&a, &["accept", "x"]);
        assert!(sessions.is_form_token(&a, &["accept", "x"], &token));
        assert!(!sessions.is_form_token(&b, &["accept", "x"], &token));
        for other in [&["accept", "y"][..], &["acceptx"], &["accept", "x", ""], &["ac", "ceptx"]] {
            assert!(!sessions.is_form_token(&a, other, &token), "{other:?}");
        }
        for nonsense in ["", "x", "%"] {
            assert!(!sessions.is_form_token(&a, &["accept", "x"], nonsense));
        }
    }

    #[test]
    fn after_ten_wrong_passwords_an_account_rests_for_five_minutes() {
        let sessions = sessions();
        for _ in 0..MAX_FAILURES {
            assert_eq!(sessions.attempt("t", 1000), Ok(()));
        }
        assert_eq!(sessions.attempt("t", 1100), Err(200));
        assert_eq!(sessions.attempt("other", 1100), Ok(()));
        assert_eq!(sessions.attempt("t", 1300), Ok(()));
        sessions.sign_in("t", 1300).unwrap();
        for _ in 0..MAX_FAILURES {
            assert_eq!(sessions.attempt("t", 1300), Ok(()));
        }
    }
}
