//! What nearly every request asks for, as it was read last: good until the next write.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use super::{
    Application, ExtensionProperty, KeyCredential, PasswordCredential, ServicePrincipal, Store, Tenant,
};

/// How many values are remembered of a kind that is not weighed.
const CAPACITY: usize = 1_000;

/// Values that were read from one generation of a store.
pub(crate) struct Cached<K, V> {
    generation: RwLock<Generation<K, V>>,
    /// The most that all values together may weigh; then all are forgotten.
    capacity: usize,
    weigh: fn(&K, &V) -> usize,
}

struct Generation<K, V> {
    number: u64,
    weight: usize,
    values: HashMap<K, V>,
}

impl<K, V> Cached<K, V> {
    /// Remembers values as long as they weigh no more than `capacity` together.
    pub(crate) fn weighing(capacity: usize, weigh: fn(&K, &V) -> usize) -> Self {
        let generation = RwLock::new(Generation { number: 0, weight: 0, values: HashMap::new() });
        Self { generation, capacity, weigh }
    }
}

impl<K: Eq + Hash, V: Clone> Cached<K, V> {
    /// The value that is remembered, if the store has not changed since it was read.
    pub(crate) fn get(&self, store: &Store, key: &K) -> Option<V> {
        let generation = self.generation.read().unwrap_or_else(PoisonError::into_inner);
        if generation.number == store.generation() { generation.values.get(key).cloned() } else { None }
    }

    /// The value that is remembered, or what `read` finds. That nothing was found is not remembered.
    pub(crate) fn get_or_read<E>(
        &self,
        store: &Store,
        key: K,
        read: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        if let Some(value) = self.get(store, &key) {
            return Ok(Some(value));
        }
        // Taken before the read: whatever is written meanwhile makes what was read one of the past.
        let number = store.generation();
        let value = read()?;
        if let Some(value) = &value {
            self.put(number, key, value.clone());
        }
        Ok(value)
    }

    /// Remembers what was read from a generation, unless it is too heavy.
    pub(crate) fn put(&self, number: u64, key: K, value: V) {
        let weight = (self.weigh)(&key, &value);
        let mut generation = self.generation.write().unwrap_or_else(PoisonError::into_inner);
        if number < generation.number || weight > self.capacity {
            return;
        }
        if number > generation.number || generation.weight + weight > self.capacity {
            generation.number = number;
            generation.weight = 0;
            generation.values.clear();
        }
        // A value that is replaced goes on counting: two requests that read the same at once are rare.
        generation.weight += weight;
        generation.values.insert(key, value);
    }
}

impl<K, V> Default for Cached<K, V> {
    fn default() -> Self {
        Self::weighing(CAPACITY, |_, _| 1)
    }
}

impl<K, V> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

/// What the store itself remembers.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// By GUID or domain, as it was asked for.
    pub(super) tenants: Cached<String, Arc<Tenant>>,
    /// By application id. That there is none is remembered, too: Microsoft's own resources, for which most tokens are,
    /// have none here.
    pub(super) applications: Cached<String, Option<Arc<Application>>>,
    /// By tenant and application id.
    pub(super) principals: Cached<[String; 2], Arc<ServicePrincipal>>,
    /// By tenant and name.
    pub(super) resources: Cached<[String; 2], Arc<ServicePrincipal>>,
    /// By client and resource: the values of the roles.
    pub(super) roles: Cached<[String; 2], Arc<[String]>>,
    /// By application.
    pub(super) passwords: Cached<String, Arc<[PasswordCredential]>>,
    /// By application.
    pub(super) keys: Cached<String, Arc<[KeyCredential]>>,
    /// By tenant and type.
    pub(super) extensions: Cached<[String; 2], Arc<[ExtensionProperty]>>,
    /// By name.
    pub(super) secrets: Cached<&'static str, Arc<[u8]>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_value_is_read_once_until_something_is_written() {
        let store = Store::in_memory().unwrap();
        let cached = Cached::default();
        let get = |value: i32| cached.get_or_read(&store, "a", || Ok::<_, StoreError>(Some(value))).unwrap();
        assert_eq!((get(1), get(2)), (Some(1), Some(1)));
        store.set_setting("x", b"1").unwrap();
        assert_eq!((get(3), get(4)), (Some(3), Some(3)));
        store.forget();
        assert_eq!(get(5), Some(5));
    }

    #[test]
    fn what_was_read_before_a_write_is_not_taken_for_what_is_there_after_it() {
        let store = Store::in_memory().unwrap();
        let cached = Cached::default();
        let read = || {
            store.set_setting("x", b"1")?;
            Ok::<_, StoreError>(Some("old"))
        };
        assert_eq!(cached.get_or_read(&store, "a", read).unwrap(), Some("old"));
        assert_eq!(cached.get(&store, &"a"), None);
        cached.put(store.generation(), "a", "new");
        cached.put(store.generation() - 1, "a", "old");
        assert_eq!(cached.get(&store, &"a"), Some("new"));
    }

    #[test]
    fn the_memory_of_what_was_read_is_bounded() {
        let store = Store::in_memory().unwrap();
        let cached = Cached::default();
        for key in 0..CAPACITY * 2 + 1 {
            cached.put(store.generation(), key, ());
        }
        assert_eq!(cached.generation.read().unwrap().values.len(), 1);
    }

    #[test]
    fn what_is_heavy_displaces_the_rest_and_what_is_too_heavy_is_not_remembered() {
        let store = Store::in_memory().unwrap();
        let cached = Cached::weighing(10, |_: &&str, weight: &usize| *weight);
        let put = |key, weight| cached.put(store.generation(), key, weight);
        put("a", 4);
        put("b", 6);
        put("too heavy", 11);
        let known = || ["a", "b", "c", "too heavy"].map(|key| cached.get(&store, &key).is_some());
        assert_eq!(known(), [true, true, false, false]);
        put("c", 1);
        assert_eq!(known(), [false, false, true, false]);
    }

    #[test]
    fn nothing_is_not_remembered() {
        let store = Store::in_memory().unwrap();
        let cached: Cached<&str, i32> = Cached::default();
        assert_eq!(cached.get_or_read(&store, "a", || Ok::<_, StoreError>(None)).unwrap(), None);
        assert_eq!(cached.get_or_read(&store, "a", || Ok::<_, StoreError>(Some(1))).unwrap(), Some(1));
    }
}
