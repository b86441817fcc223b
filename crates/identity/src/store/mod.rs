//! A second layer below the memory: what several processes share, or one finds again after a restart.
//!
//! # What may a store do to a token?
//!
//! Nothing. A store is handed bytes that are encrypted and authenticated for their one key, so that it can neither read
//! a token nor give out one as another; that is why a directory, a database or a server on the network are equally
//! good. The keys of the entries are digests: a store does not even learn which tenants there are.
//!
//! # What may a store do to a caller?
//!
//! Little. Memory is asked first, and a store only by the one flight that would otherwise ask the server. It has a
//! quarter of a second; one that is slow, unreachable or failing is left alone for half a minute and the server is
//! asked as if there were no store. What cannot be opened (another key, a changed byte, a half-written file) counts as
//! not there and is overwritten by the next token.

mod key;
mod layer;
mod record;
mod seal;

use std::fmt;
use std::time::SystemTime;

use unattended_core::BoxFuture;

pub use self::key::StoreKey;
pub(crate) use self::layer::StoreLayer;
pub use self::layer::StoreStatistics;
pub(crate) use self::record::Record;
pub use self::seal::SealingKeys;

/// Keeps sealed bytes under a key, until they expire. How long an operation may take is for whoever asks to say: dropping
/// a future must harm nothing but the one operation.
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// What was saved under `key` last, if it is still there.
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Replaces what is under `key`. From `expires_at` on it is of no use to anybody.
    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Why a store could not do what it was asked. Nobody but the log ever hears of it.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps what the store's own library says. It must not hold a token.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token store failed")
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[cfg(test)]
mod tests;
