//! What is asked for, tenant aside.

use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bound::Binding;
use crate::error::Error;

/// The fields of a token request that this library writes itself. [`ScopedToken::with_parameter`] refuses them.
///
/// [`ScopedToken::with_parameter`]: crate::ScopedToken::with_parameter
pub const RESERVED_PARAMETERS: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "resource",
    "claims",
    "refresh_token",
    "token_type",
];

/// Everything in a request, apart from tenant and credential, that can change the token. What is not in here cannot be
/// sent, so no input can be forgotten in the key of the cache.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Profile {
    /// Lower case where the server does not tell the cases apart.
    pub(crate) scope: Box<str>,
    /// RFC 8707.
    pub(crate) resource: Option<Box<str>>,
    /// The application's own claims, as the JSON that is sent; not those of a challenge.
    pub(crate) claims: Option<Box<str>>,
    /// What the token is to be bound to.
    pub(crate) binding: Binding,
    /// Whatever else goes into the form, by name.
    pub(crate) parameters: BTreeMap<Box<str>, Box<str>>,
}

impl Profile {
    /// The same with one more field in the form.
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, Error> {
        if name.is_empty() || RESERVED_PARAMETERS.contains(&name) {
            return Err(Error::configuration(format!(
                "`{}` cannot be an extra parameter: the token request has its own",
                name.escape_debug()
            )));
        }
        self.parameters.insert(name.into(), value.into());
        Ok(self)
    }
}

/// A profile of which there is one: equal profiles are the same pointer, so comparing and hashing cost nothing.
#[derive(Clone, Debug)]
pub(crate) struct Interned(Arc<Profile>);

impl Interned {
    pub(crate) fn get(&self) -> &Profile {
        &self.0
    }
}

impl Eq for Interned {}

impl PartialEq for Interned {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Hash for Interned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// The profiles in use. A program has a handful; one that makes them up endlessly does not fill the memory, because
/// those that nobody uses are dropped when their number has doubled.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<(HashSet<Arc<Profile>>, usize)>);

impl Profiles {
    pub(crate) fn intern(&self, profile: Profile) -> Interned {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (profiles, sweep_at) = &mut *guard;
        if let Some(known) = profiles.get(&profile) {
            return Interned(Arc::clone(known));
        }
        if profiles.len() >= (*sweep_at).max(64) {
            profiles.retain(|profile| Arc::strong_count(profile) > 1);
            *sweep_at = profiles.len() * 2;
        }
        let profile = Arc::new(profile);
        profiles.insert(Arc::clone(&profile));
        Interned(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(scope: &str) -> Profile {
        Profile { scope: scope.into(), ..Profile::default() }
    }

    #[test]
    fn equal_profiles_are_one_and_unused_ones_are_forgotten() {
        let profiles = Profiles::default();
        let kept = profiles.intern(profile("kept"));
        for n in 0..1_000 {
            profiles.intern(profile(&n.to_string()));
        }
        assert_eq!(profiles.intern(profile("kept")), kept);
        assert!(profiles.0.lock().unwrap().0.len() <= 64);
    }

    #[test]
    fn a_parameter_cannot_replace_what_the_request_says_itself() {
        for name in ["client_secret", "scope", "grant_type", ""] {
            assert!(profile("s").with_parameter(name, "x").is_err(), "{name}");
        }
        assert_eq!(
            profile("s").with_parameter("b", "1").unwrap().with_parameter("a", "2").unwrap(),
            profile("s").with_parameter("a", "2").unwrap().with_parameter("b", "1").unwrap(),
        );
    }
}
