//! A part of a collection: the objects of which a property begins with something.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::plan::literal;
use crate::pages::{Page, Pages};

/// How names begin, and how they may go on where nothing is known of them. Whatever does neither is in the part of the
/// rest.
const FIRST: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const FURTHER: &str = "abcdefghijklmnopqrstuvwxyz0123456789.-_@ ";
/// Where dividing ends: so many objects do not differ in their names.
const LONGEST_PREFIX: usize = 32;
/// So many conditions an address bears.
const MOST_EXCLUSIONS: usize = 100;

/// The objects of which the property begins with `prefix`, but not with `prefix` and one of `without`.
pub(super) struct Part {
    prefix: String,
    without: Vec<char>,
    /// The pages, once the first one was asked for.
    pub(super) pages: Option<Pages>,
    /// Which characters have come after the prefix, in the pages from which it is long.
    next: BTreeSet<char>,
    read: u64,
    left: Option<u64>,
    restarts: u32,
}

impl Part {
    /// Everything.
    pub(super) fn whole() -> Self {
        Self::new(String::new(), Vec::new())
    }

    fn new(prefix: String, without: Vec<char>) -> Self {
        Self { prefix, without, pages: None, next: BTreeSet::new(), read: 0, left: None, restarts: 0 }
    }

    /// The condition that its objects meet and no other; none for everything. Encoded for a query.
    pub(super) fn filter(&self, property: &str) -> Option<String> {
        let begins = |with: &str| format!("startswith({property},{})", literal(with));
        let own = (!self.prefix.is_empty()).then(|| begins(&self.prefix));
        let others =
            self.without.iter().map(|next| format!("not({})", begins(&format!("{}{next}", self.prefix))));
        let all: Vec<String> = own.into_iter().chain(others).collect();
        (!all.is_empty()).then(|| all.join("%20and%20"))
    }

    /// Takes note of a page; a part of more than `longest` pages is to be divided.
    pub(super) fn came(&mut self, page: &Page, property: &str, longest: u64) {
        self.read += 1;
        let items = page.items.len() as u64;
        self.left = match (page.count, self.left) {
            (Some(count), None) if items > 0 => Some(count.saturating_sub(items).div_ceil(items)),
            (_, left) => left.map(|left| left.saturating_sub(1)),
        };
        if self.length() > longest {
            for item in &page.items {
                self.next.extend(self.next_character(item, property));
            }
        }
    }

    fn next_character(&self, item: &RawValue, property: &str) -> Option<char> {
        let value: Value = serde_json::from_str(item.get()).ok()?;
        let next = value.get(property)?.as_str()?.chars().nth(self.prefix.chars().count())?;
        // Nearly every API finds `Anna` where names are to begin with `a`; with the others she is left for the rest.
        let mut lower = next.to_lowercase();
        let lower = lower.next().filter(|_| lower.next().is_none()).unwrap_or(next);
        [lower, next].into_iter().find(|next| !self.without.contains(next))
    }

    /// How many pages it has in all: those that were read, and those that are left as far as the API has told.
    pub(super) fn length(&self) -> u64 {
        self.read + self.left.unwrap_or(1)
    }

    /// What is to be read first: parts of unknown length, then the longest.
    pub(super) fn urgency(&self) -> u64 {
        self.left.unwrap_or(u64::MAX)
    }

    /// Smaller parts that hold the same objects, the last of them those that none of the others holds.
    pub(super) fn divide(&self) -> Option<Vec<Self>> {
        if self.prefix.chars().count() >= LONGEST_PREFIX {
            return None;
        }
        let alphabet = if self.prefix.is_empty() { FIRST } else { FURTHER };
        let mut next = Vec::from_iter(self.next.iter().copied());
        // Names that come in order begin alike for many pages: then what has come is told from the rest, and only if that
        // is long as well, every character is tried.
        if next.is_empty() || !self.without.is_empty() {
            next.extend(alphabet.chars().filter(|next| !self.next.contains(next)));
        }
        next.retain(|next| !self.without.contains(next));
        next.truncate(MOST_EXCLUSIONS.saturating_sub(self.without.len()));
        if next.is_empty() {
            return None;
        }
        let smaller = next.iter().map(|next| Self::new(format!("{}{next}", self.prefix), Vec::new()));
        let rest = Self::new(self.prefix.clone(), self.without.iter().chain(&next).copied().collect());
        Some(smaller.chain([rest]).collect())
    }

    /// The same objects from the start; none if that has been tried often enough.
    pub(super) fn again(&self) -> Option<Self> {
        const MOST: u32 = 3;
        let again = Self::new(self.prefix.clone(), self.without.clone());
        (self.restarts < MOST).then(|| Self { restarts: self.restarts + 1, ..again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(part: &Part, name: &str) -> bool {
        let begins = |with: &str| name.to_lowercase().starts_with(&with.to_lowercase());
        begins(&part.prefix) && !part.without.iter().any(|next| begins(&format!("{}{next}", part.prefix)))
    }

    // PF-1
    #[test]
    fn the_parts_hold_every_name_exactly_once() {
        let names = ["anna", "Bob", "7up", "", "a", "김", "_x", "a.b", "a@b", "a'b", "aé", "zz"];
        let mut parts = Part::whole().divide().unwrap();
        assert_eq!(parts.len(), 37);
        for depth in 0..3 {
            for name in names {
                let holds = parts.iter().filter(|part| matches(part, name)).count();
                assert_eq!(holds, 1, "{name} at depth {depth}");
            }
            parts = parts.into_iter().flat_map(|part| part.divide().unwrap_or_else(|| vec![part])).collect();
        }
    }

    // PF-1
    #[test]
    fn the_rest_is_divided_by_the_characters_that_came() {
        let mut rest = Part::whole().divide().unwrap().pop().unwrap();
        assert!(rest.divide().is_none(), "nothing has come yet");
        let items = ["김민수", "김영희", "이철수", "anna"];
        rest.came(&page_of(1_000, items), "displayName", 20);
        let parts = rest.divide().unwrap();
        assert_eq!(parts.iter().map(|part| part.prefix.as_str()).collect::<Vec<_>>(), ["김", "이", ""]);
        let filter = parts[2].filter("displayName").unwrap();
        assert!(filter.starts_with("not(startswith(displayName,'a'))%20and%20not("), "{filter}");
        assert!(filter.ends_with("not(startswith(displayName,'%EC%9D%B4'))"), "{filter}");
        assert_eq!(parts[0].divide().unwrap().len(), FURTHER.chars().count() + 1, "nothing is known of it");
    }

    // PF-1
    #[test]
    fn a_long_part_is_divided_by_the_characters_that_came_and_its_rest_by_all() {
        let mut part = Part::new("a".to_owned(), Vec::new());
        part.came(&page_of(1_000, ["Adele", "aDele", "ad"]), "displayName", 20);
        let mut parts = part.divide().unwrap();
        assert_eq!(parts.iter().map(|part| part.prefix.as_str()).collect::<Vec<_>>(), ["ad", "a"]);
        let mut rest = parts.pop().unwrap();
        rest.came(&page_of(1_000, ["Alex", "aé"]), "displayName", 20);
        let parts = rest.divide().unwrap();
        assert_eq!(
            parts.len(),
            FURTHER.chars().count() + 1,
            "`d` is known, `é` has come, and there is a rest"
        );
        assert!(parts.iter().any(|part| part.prefix == "aé") && parts.iter().all(|part| part.prefix != "ad"));
    }

    fn page_of<const N: usize>(count: u64, names: [&str; N]) -> Page {
        let items = names.map(|name| {
            RawValue::from_string(serde_json::json!({ "displayName": name }).to_string()).unwrap()
        });
        Page { items: items.into(), next_link: None, delta_link: None, count: Some(count), bytes: 0 }
    }
}
