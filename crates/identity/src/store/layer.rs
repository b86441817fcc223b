//! A store as its users want it: it helps or it is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;
use unattended_core::Clock;

use super::record::Record;
use super::{SealingKeys, StoreError, StoreKey, TokenStore};
use crate::deadline::within;

/// How long a store may take.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How long a store is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Clocks of several machines differ; a record from further ahead than this is not believed.
const SKEW: Duration = Duration::from_secs(300);

/// A store, the keys of what is in it, and what came of it.
#[derive(Debug)]
pub(crate) struct StoreLayer {
    store: Arc<dyn TokenStore>,
    keys: SealingKeys,
    /// Monotonic milliseconds.
    paused_until: AtomicU64,
    counters: Counters,
    /// How many saves are under way.
    saves: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    unreadable: AtomicU64,
    failures: AtomicU64,
}

/// What came of asking a store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoreStatistics {
    /// A record was found and opened.
    pub hits: u64,
    /// There was none.
    pub misses: u64,
    /// There was one that no key opens, or that is damaged.
    pub unreadable: u64,
    /// The store failed or took too long.
    pub failures: u64,
}

impl StoreLayer {
    pub(crate) fn new(store: Arc<dyn TokenStore>, keys: SealingKeys) -> Self {
        Self {
            store,
            keys,
            paused_until: AtomicU64::default(),
            counters: Counters::default(),
            saves: watch::Sender::default(),
        }
    }

    pub(crate) fn statistics(&self) -> StoreStatistics {
        let Counters { hits, misses, unreadable, failures } = &self.counters;
        StoreStatistics {
            hits: hits.load(Relaxed),
            misses: misses.load(Relaxed),
            unreadable: unreadable.load(Relaxed),
            failures: failures.load(Relaxed),
        }
    }

    /// A record that can be used, if the store has one and tells it in time.
    pub(crate) async fn load(&self, key: &StoreKey, clock: &dyn Clock) -> Option<Record> {
        let Some(sealed) = self.attempt(clock, self.store.load(key)).await? else {
            self.counters.misses.fetch_add(1, Relaxed);
            return None;
        };
        let record = self.keys.open(key.as_str(), &sealed).and_then(|plain| Record::from_bytes(&plain));
        let now = clock.now();
        let believable =
            |record: &Record| record.issued_at() <= now + SKEW && record.authorization().is_some();
        match record.filter(believable) {
            Some(record) => {
                self.counters.hits.fetch_add(1, Relaxed);
                Some(record)
            }
            None => {
                warn!(%key, "an entry of the token store cannot be read; it will be overwritten");
                self.counters.unreadable.fetch_add(1, Relaxed);
                None
            }
        }
    }

    /// Leaves a token to the others, if the store takes it.
    pub(crate) async fn save(&self, key: &StoreKey, record: &Record, clock: &dyn Clock) {
        let sealed = record.to_bytes().and_then(|plain| self.keys.seal(key.as_str(), &plain));
        if let Some(sealed) = sealed {
            self.attempt(clock, self.store.save(key, sealed, record.expires_at())).await;
        }
    }

    /// Announces a save, which is under way until this is dropped.
    pub(crate) fn announce(&self) -> Announced<'_> {
        self.saves.send_modify(|saves| *saves += 1);
        Announced(&self.saves)
    }

    /// Completes when no save is under way.
    pub(crate) async fn settled(&self) {
        // The sender is this layer's own, so it does not end.
        let _ = self.saves.subscribe().wait_for(|saves| *saves == 0).await;
    }

    async fn attempt<T>(
        &self,
        clock: &dyn Clock,
        work: impl Future<Output = Result<T, StoreError>> + Unpin,
    ) -> Option<T> {
        if milliseconds(clock.elapsed()) < self.paused_until.load(Relaxed) {
            return None;
        }
        let error = match within(clock, TIMEOUT, work).await {
            Some(Ok(done)) => return Some(done),
            Some(Err(error)) => error,
            None => StoreError::new("it took too long"),
        };
        self.counters.failures.fetch_add(1, Relaxed);
        self.paused_until.store(milliseconds(clock.elapsed() + PAUSE), Relaxed);
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        warn!(cause, "the token store is left alone for {} s", PAUSE.as_secs());
        None
    }
}

/// A save under way.
#[derive(Debug)]
pub(crate) struct Announced<'a>(&'a watch::Sender<usize>);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|saves| *saves -= 1);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
