//! The keys that sign tokens, and how they follow each other.
//!
//! A key is first published, then signs, then is published for as long as tokens with its signature may live. One that
//! was revoked is published no more, and no token with its signature is accepted. The keys are those of the whole
//! sandbox: every tenant's tokens are signed with them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use unattended_protect::{KeySource, VerificationKey};

use super::exchange::unix_seconds;
use super::signing_key::{KeptKey, SigningKey};
use crate::SandboxError;
use crate::store::{Store, StoreError};

const SETTING: &str = "signing-keys";

/// How long a key that signs no more is kept, in seconds: longer than any token lives.
const KEPT_AFTERWARDS: i64 = 48 * 3600;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyState {
    /// Published ahead of its use.
    Next,
    /// Signs.
    #[default]
    Active,
    /// Signed; its tokens are still good.
    Retired,
    /// Not published; its tokens are good for nothing.
    Revoked,
}

/// A key as it is shown outside.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct KeyStatus {
    pub(crate) kid: String,
    pub(crate) state: KeyState,
    /// Since when it is in that state. Unix seconds.
    pub(crate) since: i64,
}

/// Every key. Whoever validates by them sees each change at once.
pub(crate) struct SigningKeys {
    keys: ArcSwap<Vec<Entry>>,
    /// Held by whoever changes keys.
    change: Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    key: Arc<SigningKey>,
    kept: Kept,
}

/// How a key and its state are kept.
#[derive(Clone, Deserialize, Serialize)]
struct Kept {
    #[serde(flatten)]
    key: KeptKey,
    #[serde(default)]
    state: KeyState,
    #[serde(default)]
    since: i64,
}

impl Entry {
    fn read(kept: Kept) -> Result<Self, SandboxError> {
        Ok(Self { key: Arc::new(SigningKey::read(&kept.key)?), kept })
    }

    fn generate(state: KeyState, now: SystemTime) -> Result<Self, SandboxError> {
        Self::read(Kept { key: KeptKey::generate(now)?, state, since: unix_seconds(now) })
    }

    fn becomes(&mut self, state: KeyState, now: SystemTime) {
        (self.kept.state, self.kept.since) = (state, unix_seconds(now));
    }
}

impl SigningKeys {
    /// The keys of a store, which gets its first one if it has none.
    pub(crate) fn load(store: &Store, now: SystemTime) -> Result<Self, SandboxError> {
        let keys = match read(store)? {
            Some(keys) => keys,
            None => {
                let keys = vec![Entry::generate(KeyState::Active, now)?];
                keep(store, &keys)?;
                keys
            }
        };
        Ok(Self { keys: ArcSwap::from_pointee(keys), change: Mutex::default() })
    }

    /// The key that signs.
    pub(crate) fn current(&self) -> Arc<SigningKey> {
        let keys = self.keys.load();
        let active = keys.iter().find(|entry| entry.kept.state == KeyState::Active);
        Arc::clone(&active.unwrap_or(&keys[0]).key)
    }

    /// The key set (RFC 7517 section 5). `issuer` is what the keys of the v2.0 document carry.
    pub(crate) fn jwks(&self, issuer: Option<&str>) -> Value {
        let keys = self.keys.load();
        let published = keys.iter().filter(|entry| entry.kept.state != KeyState::Revoked).map(|entry| {
            let mut jwk = entry.key.jwk.clone();
            if let Some(issuer) = issuer {
                jwk["issuer"] = issuer.into();
            }
            jwk
        });
        json!({ "keys": published.collect::<Vec<_>>() })
    }

    /// Every key that there is, oldest first.
    pub(crate) fn list(&self) -> Vec<KeyStatus> {
        let status = |entry: &Entry| KeyStatus {
            kid: entry.key.kid().to_owned(),
            state: entry.kept.state,
            since: entry.kept.since,
        };
        self.keys.load().iter().map(status).collect()
    }

    /// Publishes the key that will sign next, unless there is one already. Blocks.
    pub(crate) fn prepublish(&self, store: &Store, now: SystemTime) -> Result<Vec<KeyStatus>, SandboxError> {
        self.change(store, now, |keys| {
            if !keys.iter().any(|entry| entry.kept.state == KeyState::Next) {
                keys.push(Entry::generate(KeyState::Next, now)?);
            }
            Ok(())
        })
    }

    /// Signs with the next key from now on: with the one that was published ahead, or else, as in an emergency, with
    /// one that nobody has seen. Blocks.
    pub(crate) fn rotate(&self, store: &Store, now: SystemTime) -> Result<Vec<KeyStatus>, SandboxError> {
        self.change(store, now, |keys| succeed(keys, now))
    }

    /// Revokes a key; the one that signs is replaced first. Returns `None` if no key has that `kid`. Blocks.
    pub(crate) fn revoke(
        &self,
        store: &Store,
        kid: &str,
        now: SystemTime,
    ) -> Result<Option<Vec<KeyStatus>>, SandboxError> {
        let mut is_known = false;
        let keys = self.change(store, now, |keys| {
            let state = keys.iter().find(|entry| entry.key.kid() == kid).map(|entry| entry.kept.state);
            is_known = state.is_some();
            if state == Some(KeyState::Active) {
                succeed(keys, now)?;
            }
            for entry in keys.iter_mut().filter(|entry| entry.key.kid() == kid) {
                entry.becomes(KeyState::Revoked, now);
            }
            Ok(())
        })?;
        Ok(is_known.then_some(keys))
    }

    fn change(
        &self,
        store: &Store,
        now: SystemTime,
        edit: impl FnOnce(&mut Vec<Entry>) -> Result<(), SandboxError>,
    ) -> Result<Vec<KeyStatus>, SandboxError> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Vec::clone(&self.keys.load());
        edit(&mut keys)?;
        let oldest = unix_seconds(now) - KEPT_AFTERWARDS;
        keys.retain(|entry| {
            matches!(entry.kept.state, KeyState::Next | KeyState::Active) || entry.kept.since > oldest
        });
        keep(store, &keys)?;
        self.keys.store(Arc::new(keys));
        // Among what others remember are callers whose tokens were good by these keys.
        store.forget();
        Ok(self.list())
    }
}

impl KeySource for SigningKeys {
    fn key(&self, kid: &str) -> Option<Arc<VerificationKey>> {
        let keys = self.keys.load();
        let entry =
            keys.iter().find(|entry| entry.key.kid() == kid && entry.kept.state != KeyState::Revoked)?;
        Some(Arc::clone(&entry.key.verification))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// Lets the next key sign.
fn succeed(keys: &mut Vec<Entry>, now: SystemTime) -> Result<(), SandboxError> {
    if !keys.iter().any(|entry| entry.kept.state == KeyState::Next) {
        keys.push(Entry::generate(KeyState::Next, now)?);
    }
    for entry in keys.iter_mut() {
        match entry.kept.state {
            KeyState::Active => entry.becomes(KeyState::Retired, now),
            KeyState::Next => entry.becomes(KeyState::Active, now),
            KeyState::Retired | KeyState::Revoked => {}
        }
    }
    Ok(())
}

fn read(store: &Store) -> Result<Option<Vec<Entry>>, SandboxError> {
    let Some(json) = store.setting(SETTING)? else { return Ok(None) };
    let kept: Vec<Kept> = serde_json::from_slice(&json).map_err(StoreError::from)?;
    let keys = kept.into_iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
    if !keys.iter().any(|entry| entry.kept.state == KeyState::Active) {
        return Err(StoreError::corrupt("the tenant has no key to sign with").into());
    }
    Ok(Some(keys))
}

fn keep(store: &Store, keys: &[Entry]) -> Result<(), SandboxError> {
    let kept: Vec<&Kept> = keys.iter().map(|entry| &entry.kept).collect();
    Ok(store.set_setting(SETTING, &serde_json::to_vec(&kept).map_err(StoreError::from)?)?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn states(keys: &SigningKeys) -> Vec<KeyState> {
        keys.list().iter().map(|key| key.state).collect()
    }

    fn published(keys: &SigningKeys) -> usize {
        keys.jwks(None)["keys"].as_array().unwrap().len()
    }

    // AC-9
    #[test]
    fn a_key_is_published_then_signs_then_is_still_known_until_it_is_revoked() {
        use KeyState::{Active, Next, Retired, Revoked};
        let store = Store::in_memory().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let keys = SigningKeys::load(&store, now).unwrap();
        let first = keys.current().kid().to_owned();
        let ahead = keys.prepublish(&store, now).unwrap()[1].kid.clone();
        assert_eq!(keys.prepublish(&store, now).unwrap().len(), 2, "one is enough");
        assert_eq!((states(&keys), keys.current().kid()), (vec![Active, Next], first.as_str()));

        keys.rotate(&store, now).unwrap();
        assert_eq!((states(&keys), keys.current().kid()), (vec![Retired, Active], ahead.as_str()));
        assert!(published(&keys) == 2 && keys.key(&first).is_some());

        assert_eq!(keys.revoke(&store, "nobody", now).unwrap(), None);
        keys.revoke(&store, &first, now).unwrap().unwrap();
        assert!(published(&keys) == 1 && keys.key(&first).is_none());
        // In an emergency the next key comes unseen.
        keys.revoke(&store, &ahead, now).unwrap().unwrap();
        assert_eq!(states(&keys), [Revoked, Revoked, Active]);
        assert_eq!(SigningKeys::load(&store, now).unwrap().list(), keys.list(), "all of that is kept");

        let later = now + Duration::from_secs(48 * 3600);
        assert_eq!(keys.rotate(&store, later).unwrap().len(), 2, "old keys go");
    }

    #[test]
    fn the_keys_stay_and_are_known_by_the_thumbprint_of_their_certificate() {
        let store = Store::in_memory().unwrap();
        let first = SigningKeys::load(&store, UNIX_EPOCH).unwrap().jwks(None);
        assert_eq!(SigningKeys::load(&store, UNIX_EPOCH).unwrap().jwks(None), first);
        let key = &first["keys"][0];
        assert_eq!(key["kid"], key["x5t"]);
        let certificate = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        assert_eq!(key["kid"], thumbprint);
        assert_eq!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len(), 256);
    }

    #[test]
    fn damaged_keys_stop_the_start_with_the_way_back() {
        let store = Store::in_memory().unwrap();
        for damaged in [&b"["[..], b"[]", br#"[{"key":"AAAA","certificate":"AAAA"}]"#] {
            store.set_setting(SETTING, damaged).unwrap();
            let error = SigningKeys::load(&store, UNIX_EPOCH).unwrap_err();
            assert!(error.remedy().is_some(), "{error}");
        }
    }
}
