//! The tokens of one application, by everything that can change them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::flight::Flights;
use crate::token::Kept;

/// Everything that can change the answer of a token endpoint to this application. Equality is that of the fields:
/// there is no text in which two different keys could read the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TokenKey {
    pub(crate) authority: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    /// RFC 8707.
    pub(crate) resource: Option<String>,
}

/// One key's token, and the request for the next one if it is under way.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: TokenKey,
    pub(crate) kept: ArcSwapOption<Kept>,
    pub(crate) flights: Flights,
}

/// All entries. The lock is held to find an entry, never while anything is awaited; whoever has a handle to its entry
/// does not come here again.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<HashMap<TokenKey, Arc<Entry>>>);

impl TokenCache {
    pub(crate) fn entry(&self, key: TokenKey) -> Arc<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(key).or_insert_with_key(|key| {
            Arc::new(Entry { key: key.clone(), kept: ArcSwapOption::empty(), flights: Flights::default() })
        });
        Arc::clone(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D8, D10, D11
    #[test]
    fn keys_that_differ_in_any_part_have_entries_of_their_own() {
        let key = |scope: &str, resource: Option<&str>| TokenKey {
            authority: "https://a/t".to_owned(),
            client_id: "c".to_owned(),
            scope: scope.to_owned(),
            resource: resource.map(str::to_owned),
        };
        let cache = TokenCache::default();
        let plain = cache.entry(key("ab", None));
        assert!(Arc::ptr_eq(&plain, &cache.entry(key("ab", None))));
        for other in [key("a", Some("b")), key("ab", Some("")), key("a", None)] {
            assert!(!Arc::ptr_eq(&plain, &cache.entry(other)));
        }
    }
}
