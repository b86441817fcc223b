//! The tokens of one application, by everything that can change them.
//!
//! # Why is the key a type?
//!
//! A cache of tokens has one failure that is worse than all others: to hand out a token that was made for something
//! else. It happens when a request grows a parameter and the key does not. Here the tenant and the
//! [`Profile`](crate::profile::Profile) *are* the request: what is not in them cannot be sent, so it cannot be
//! forgotten, and equality is that of the fields, so there is no text in which two different requests could read the
//! same.
//!
//! # Why is there a bound, and which token goes first?
//!
//! A service that acts in many tenants sees each for a moment and most of them never again; without a bound the memory
//! of a year's tenants is the memory it needs. A token that has expired is worth nothing, so those go first; then the
//! ones that were not used for longest. What somebody holds a handle to loses its token and keeps its entry: the next
//! call fetches another one, and a request under way is never repeated for having been forgotten.
//!
//! # What does a hit cost?
//!
//! Whoever has a handle to its entry reads one pointer and two clocks; whoever has the key finds the entry in an
//! [index] first. There is no lock, no allocation, and no counter that other cores write, too: the time of
//! use is noted once a second at most.

mod index;

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use unattended_core::{Moment, TenantId};

use self::index::Index;
use crate::flight::Flights;
use crate::profile::{Interned, Profiles};
use crate::token::{CachedToken, Kept, seconds};

/// Who is asked for what.
#[derive(Debug)]
pub(crate) struct TokenKey {
    /// None for a server without tenants.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) profile: Interned,
}

/// One key's token, and the request for the next one if it is under way. What a hit looks at comes first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry {
    kept: ArcSwapOption<Kept>,
    pub(crate) key: TokenKey,
    pub(crate) flights: Flights,
}

/// How much is kept in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CacheLimits {
    /// The largest number of tokens.
    pub tokens: usize,
    /// The largest number of bytes that tokens, and what is known about each, take together.
    pub bytes: usize,
}

/// What the cache holds and what it had to let go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Tokens in memory.
    pub tokens: usize,
    /// What they weigh.
    pub bytes: usize,
    /// Tokens dropped because they had expired.
    pub evicted_expired: u64,
    /// Tokens dropped while they were good, for want of room. When this grows, the limits are too narrow.
    pub evicted_live: u64,
}

#[derive(Debug)]
pub(crate) struct TokenCache {
    index: Index,
    /// Held while entries come and go, and read by whoever makes a handle: what is found is not swept away meanwhile.
    changes: RwLock<Changes>,
    pub(crate) profiles: Profiles,
    limits: CacheLimits,
    tokens: AtomicUsize,
    bytes: AtomicUsize,
    evicted_expired: AtomicU64,
    evicted_live: AtomicU64,
    /// The monotonic second in which a request ended last.
    latest: AtomicU32,
}

#[derive(Debug, Default)]
struct Changes {
    /// The number of entries at which those that hold nothing are looked for.
    sweep_at: usize,
}

impl Default for CacheLimits {
    /// 131,072 tokens and 512 MiB.
    fn default() -> Self {
        Self { tokens: 128 * 1_024, bytes: 512 * 1_024 * 1_024 }
    }
}

impl Entry {
    /// The token if it lives and can be used.
    #[inline]
    pub(crate) fn live(&self, moment: Moment, can_use: impl Fn(&Kept) -> bool) -> Option<CachedToken> {
        let token = CachedToken::live(self.kept.load(), |kept| kept.is_live(moment) && can_use(kept))?;
        let (now, used) = (seconds(moment), &token.kept().usage.used);
        if used.load(Relaxed) != now {
            used.store(now, Relaxed);
        }
        Some(token)
    }

    /// The token, whether it lives or not.
    pub(crate) fn last(&self) -> Option<Arc<Kept>> {
        self.kept.load_full()
    }
}

impl TokenCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self {
            index: Index::default(),
            changes: RwLock::default(),
            profiles: Profiles::default(),
            limits,
            tokens: AtomicUsize::default(),
            bytes: AtomicUsize::default(),
            evicted_expired: AtomicU64::default(),
            evicted_live: AtomicU64::default(),
            latest: AtomicU32::default(),
        }
    }

    /// The token of a key if it lives and can be used, without a handle; and whether this caller is to renew it.
    pub(crate) fn live(
        &self,
        tenant: Option<&TenantId>,
        profile: &Interned,
        moment: Moment,
        can_use: impl Fn(&Kept) -> bool,
    ) -> Option<(CachedToken, bool)> {
        let look = |entry: &Arc<Entry>| {
            let token = entry.live(moment, &can_use)?;
            let may_renew = token.kept().is_due(moment) && token.kept().may_renew(moment);
            Some((token, may_renew))
        };
        self.index.find(tenant, profile, look).flatten()
    }

    /// The one entry of a key.
    pub(crate) fn entry(&self, tenant: Option<&TenantId>, profile: &Interned) -> Arc<Entry> {
        {
            let _no_change = self.changes.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = self.index.find(tenant, profile, Arc::clone) {
                return entry;
            }
        }
        let mut changes = self.changes();
        if let Some(entry) = self.index.find(tenant, profile, Arc::clone) {
            return entry; // Somebody else has just made it.
        }
        if self.index.len() >= changes.sweep_at.max(1_024) {
            let elapsed = Duration::from_secs(self.latest.load(Relaxed).into());
            self.index.retain(|entry| entry.holds_something(elapsed));
            changes.sweep_at = self.index.len() * 2;
        }
        let entry = Arc::new(Entry {
            key: TokenKey { tenant: tenant.cloned(), profile: profile.clone() },
            kept: ArcSwapOption::empty(),
            flights: Flights::default(),
        });
        self.index.insert(Arc::clone(&entry));
        entry
    }

    /// Keeps a token. Whoever does so [makes room](Self::make_room) as soon as it holds no lock.
    pub(crate) fn keep(&self, entry: &Entry, kept: Arc<Kept>, moment: Moment) {
        kept.usage.used.store(seconds(moment), Relaxed);
        self.bytes.fetch_add(kept.bytes(), Relaxed);
        match entry.kept.swap(Some(kept)) {
            Some(old) => _ = self.bytes.fetch_sub(old.bytes(), Relaxed),
            None => _ = self.tokens.fetch_add(1, Relaxed),
        }
    }

    /// Drops tokens if there are too many. Called at the end of every request.
    pub(crate) fn make_room(&self, moment: Moment) {
        self.latest.store(seconds(moment), Relaxed);
        if self.is_over(self.limits) {
            self.evict(moment);
        }
    }

    pub(crate) fn statistics(&self) -> CacheStatistics {
        CacheStatistics {
            tokens: self.tokens.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            evicted_expired: self.evicted_expired.load(Relaxed),
            evicted_live: self.evicted_live.load(Relaxed),
        }
    }

    fn is_over(&self, limits: CacheLimits) -> bool {
        self.tokens.load(Relaxed) > limits.tokens || self.bytes.load(Relaxed) > limits.bytes
    }

    /// Goes down to seven eighths of the limits, so that the next tokens find room and the sorting is rare.
    fn evict(&self, moment: Moment) {
        let _change = self.changes();
        if !self.is_over(self.limits) {
            return; // Somebody else has just done it.
        }
        let mut with_token: Vec<(bool, u32, Arc<Entry>)> = Vec::new();
        self.index.for_each(|entry| {
            if let Some(kept) = entry.kept.load().as_ref() {
                with_token.push((kept.is_live(moment), kept.usage.used.load(Relaxed), Arc::clone(entry)));
            }
        });
        with_token.sort_unstable_by_key(|(lives, used, _)| (*lives, *used));
        let target = CacheLimits {
            tokens: self.limits.tokens - self.limits.tokens / 8,
            bytes: self.limits.bytes - self.limits.bytes / 8,
        };
        for (lives, _, entry) in with_token {
            if lives && !self.is_over(target) {
                break;
            }
            if let Some(kept) = entry.kept.swap(None) {
                self.tokens.fetch_sub(1, Relaxed);
                self.bytes.fetch_sub(kept.bytes(), Relaxed);
                let counter = if lives { &self.evicted_live } else { &self.evicted_expired };
                counter.fetch_add(1, Relaxed);
            }
        }
        self.index.retain(|entry| entry.holds_something(moment.elapsed));
    }

    fn changes(&self) -> RwLockWriteGuard<'_, Changes> {
        self.changes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether anything would be lost with this entry: its token, a handle of somebody, or the memory that the server
    /// asked for patience.
    fn holds_something(self: &Arc<Self>, elapsed: Duration) -> bool {
        self.kept.load().is_some() || Arc::strong_count(self) > 1 || self.flights.remember(elapsed)
    }

    /// How long after its issue a token of this key is renewed.
    pub(crate) fn refresh_after(&self, lifetime: Duration, refresh_in: Option<Duration>) -> Duration {
        crate::refresh::refresh_after(
            lifetime,
            refresh_in,
            &(&self.key.tenant, &self.key.profile.get().scope),
        )
    }
}

#[cfg(test)]
mod tests;
