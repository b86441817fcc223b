//! Entries by key, found without a lock.
//!
//! # Why not a map behind a lock?
//!
//! A lock that any number of readers may hold is still a counter that every reader writes, and a counter that two cores
//! write costs more than the whole search. So the entries are in small tables that never change once they can be seen:
//! whoever adds an entry copies the one table that it goes to, and readers find either the old or the new one. Entries
//! come once per tenant and are read for as long as the tenant is served.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use unattended_core::TenantId;

use super::Entry;
use crate::profile::Interned;

/// With the largest number of tokens of the default limits there are 512 entries to copy for a new one.
const TABLES: usize = 256;

/// An entry with the hash of its key, or a gap.
type Place = Option<(u64, Arc<Entry>)>;

/// Who changes it holds a lock of the [cache](super::TokenCache): one at a time.
#[derive(Debug)]
pub(super) struct Index {
    tables: Box<[ArcSwapOption<Table>; TABLES]>,
    seed: u64,
    entries: AtomicUsize,
}

/// A hash table that is built once: an entry is at its place or after it, before the first gap.
#[derive(Debug)]
struct Table {
    /// At least half as many gaps as entries.
    places: Box<[Place]>,
    entries: usize,
}

/// Folds the two words of a GUID into one. Whoever chooses the names of tenants does not know the seed.
struct Folding(u64);

impl Default for Index {
    fn default() -> Self {
        Self {
            tables: Box::new(std::array::from_fn(|_| ArcSwapOption::empty())),
            seed: RandomState::new().hash_one(()),
            entries: AtomicUsize::default(),
        }
    }
}

impl Index {
    /// What `look` sees in the entry of this key, if there is one. Takes no lock and no share in anything.
    pub(super) fn find<T>(
        &self,
        tenant: Option<&TenantId>,
        profile: &Interned,
        look: impl FnOnce(&Arc<Entry>) -> T,
    ) -> Option<T> {
        let hash = self.hash(tenant, profile);
        let table = self.table(hash).load();
        let is_it = |entry: &Entry| entry.key.tenant.as_ref() == tenant && entry.key.profile == *profile;
        table.as_ref()?.find(hash, is_it).map(look)
    }

    /// Adds an entry whose key has none.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        let hash = self.hash(entry.key.tenant.as_ref(), &entry.key.profile);
        let table = self.table(hash);
        let old = table.load();
        let known = old.iter().flat_map(|table| table.iter()).cloned();
        let count = old.as_ref().map_or(0, |table| table.entries) + 1;
        let changed = Table::of(count, known.chain([(hash, entry)]));
        table.store(Some(Arc::new(changed)));
        self.entries.fetch_add(1, Relaxed);
    }

    /// Drops the entries that `keep` does not want.
    pub(super) fn retain(&self, keep: impl Fn(&Arc<Entry>) -> bool) {
        for slot in &*self.tables {
            let Some(table) = slot.load_full() else { continue };
            let kept: Vec<_> = table.iter().filter(|(_, entry)| keep(entry)).cloned().collect();
            if kept.len() < table.entries {
                self.entries.fetch_sub(table.entries - kept.len(), Relaxed);
                slot.store((!kept.is_empty()).then(|| Arc::new(Table::of(kept.len(), kept))));
            }
        }
    }

    /// Every entry.
    pub(super) fn for_each(&self, mut look: impl FnMut(&Arc<Entry>)) {
        for table in &*self.tables {
            table.load().iter().flat_map(|table| table.iter()).for_each(|(_, entry)| look(entry));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.load(Relaxed)
    }

    fn hash(&self, tenant: Option<&TenantId>, profile: &Interned) -> u64 {
        let mut hasher = Folding(self.seed);
        tenant.hash(&mut hasher);
        profile.hash(&mut hasher);
        hasher.finish()
    }

    /// By bits that no table of any size looks at.
    fn table(&self, hash: u64) -> &ArcSwapOption<Table> {
        &self.tables[(hash >> 56) as usize % TABLES]
    }
}

impl Table {
    fn of(count: usize, entries: impl IntoIterator<Item = (u64, Arc<Entry>)>) -> Self {
        // In steps, so that the room that one table leaves is often that of the next.
        let size = (count + count / 2 + 1).next_multiple_of(8);
        let mut places: Box<[Place]> = std::iter::repeat_with(|| None).take(size).collect();
        for (hash, entry) in entries {
            let mut at = home(hash, size);
            while places[at].is_some() {
                at = after(at, size);
            }
            places[at] = Some((hash, entry));
        }
        Self { places, entries: count }
    }

    fn find(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Arc<Entry>> {
        let size = self.places.len();
        let mut at = home(hash, size);
        while let Some((candidate, entry)) = &self.places[at] {
            if *candidate == hash && is_it(entry) {
                return Some(entry);
            }
            at = after(at, size);
        }
        None
    }

    fn iter(&self) -> impl Iterator<Item = &(u64, Arc<Entry>)> {
        self.places.iter().flatten()
    }
}

/// Where the search begins, by the lower half of the hash. The number of places is no power of two, which would leave half of
/// them empty after each doubling.
fn home(hash: u64, size: usize) -> usize {
    (((hash & 0xFFFF_FFFF) * size as u64) >> 32) as usize
}

fn after(at: usize, size: usize) -> usize {
    if at + 1 == size { 0 } else { at + 1 }
}

impl Hasher for Folding {
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(value: impl Hash) -> u64 {
        let mut hasher = Folding(0x1234_5678_9ABC_DEF0);
        value.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn tenants_that_were_counted_up_are_spread_over_all_tables_and_places() {
        const TENANTS: usize = 64 * TABLES;
        for shift in [0, 20, 40, 60] {
            let hashes: Vec<u64> = (1..=TENANTS as u64).map(|n| hash(n.rotate_left(shift))).collect();
            // The table, and the place in it.
            for bits in [56, 24] {
                let mut counts = [0; TABLES];
                hashes.iter().for_each(|hash| counts[(hash >> bits) as usize % TABLES] += 1);
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(*least >= 24 && *most <= 128, "{least} to {most} at {shift}, {bits}");
            }
        }
    }

    #[test]
    fn names_that_differ_anywhere_hash_differently() {
        let names = ["a.example", "b.example", "a.examplf", "a.example.", "example.a", "exa.mplea"];
        let distinct: std::collections::HashSet<u64> = names.iter().map(hash).collect();
        assert_eq!(distinct.len(), names.len());
    }
}
