//! Who asked how often, in memory: a restart forgives, and so does a restored snapshot.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of one kind.
#[derive(Debug)]
pub(crate) struct Counts<K, V> {
    counts: Mutex<HashMap<K, V>>,
    restores: AtomicU64,
}

impl<K: Eq + Hash, V> Counts<K, V> {
    /// Begins anew if there were more [restores](crate::store::Store::restores) than when this was last called.
    pub(crate) fn renew(&self, restores: u64) {
        if self.restores.fetch_max(restores, Ordering::AcqRel) < restores {
            self.lock().clear();
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<K, V>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for Counts<K, V> {
    fn default() -> Self {
        Self { counts: Mutex::default(), restores: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_begin_anew_once_with_each_restored_snapshot() {
        let counts = Counts::default();
        let count = || counts.lock().len();
        counts.lock().insert("a", 1);
        counts.renew(0);
        assert_eq!(count(), 1);
        counts.renew(1);
        assert_eq!(count(), 0);
        counts.lock().insert("a", 1);
        // Whoever asked before comes late.
        counts.renew(0);
        counts.renew(1);
        assert_eq!(count(), 1);
    }
}
