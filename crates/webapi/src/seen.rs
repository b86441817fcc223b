//! Which objects have come already, in a few bytes for each.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};

use serde::Deserialize;
use serde_json::value::RawValue;

/// A set of ids. Each is kept as a hash of 64 bits: about 20 MB for a million, and among a million ids there are two of
/// the same hash once in forty million sets. The hash is keyed, so that nobody can choose ids that collide.
#[derive(Default)]
pub(crate) struct Seen {
    key: RandomState,
    hashes: HashSet<u64, BuildHasherDefault<Unchanged>>,
}

impl Seen {
    /// Makes room for so many, as far as it is believed: a table that grows is there twice meanwhile.
    pub(crate) fn expect(&mut self, ids: u64) {
        const MOST: usize = 1 << 20;
        self.hashes.reserve(usize::try_from(ids).map_or(MOST, |ids| ids.min(MOST)));
    }

    /// Whether it had not come before.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        self.hashes.insert(self.key.hash_one(id))
    }

    /// Whether it had come.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.hashes.remove(&self.key.hash_one(id))
    }

    pub(crate) fn len(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Keeps the items that had not come before, and those without an id; how many others there were.
    pub(crate) fn keep_new(&mut self, items: &mut Vec<Box<RawValue>>) -> u64 {
        let before = items.len();
        items.retain(|item| id_of(item).is_none_or(|id| self.insert(&id)));
        (before - items.len()) as u64
    }
}

/// The `id` of an object, if it is one and has one.
pub(crate) fn id_of(item: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
    }
    serde_json::from_str::<Head<'_>>(item.get()).ok()?.id
}

/// What is kept is a hash already.
#[derive(Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PF-2
    #[test]
    fn an_object_is_kept_once_and_what_has_no_id_always() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let mut seen = Seen::default();
        let mut items =
            [r#"{"id":"a"}"#, r#"{"n":1,"id":"a"}"#, r#"{"id":"b"}"#, r#"{"n":1}"#, "7"].map(raw).to_vec();
        assert_eq!((seen.keep_new(&mut items), items.len(), seen.len()), (1, 4, 2));
        let mut again = [r#"{"id":"b"}"#, r#"{"n":1}"#, r#"{"id":7}"#].map(raw).to_vec();
        assert_eq!((seen.keep_new(&mut again), again.len()), (1, 2));
        assert!(seen.remove("a") && !seen.remove("a") && seen.insert("a"));
    }
}
