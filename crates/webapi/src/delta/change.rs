//! One change.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Kind};

/// An object that is new or has changed, or a sign that it is gone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Change {
    /// The object's id. Relations that have none are told apart by nothing.
    pub id: Option<String>,
    /// Whether it is gone.
    pub removed: Option<Removal>,
    /// Exactly as the API wrote it. Of an object that has changed, a property that is absent is as it was; one that is
    /// null has no value any more.
    pub raw: Box<RawValue>,
}

/// How an object went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Removal {
    /// It can be restored, or it is merely not in this collection any more.
    Changed,
    /// For good.
    Deleted,
}

impl Change {
    /// Reads one item of a delta page.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub fn read(raw: &RawValue) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            id: Option<Cow<'a, str>>,
            #[serde(borrow, rename = "@removed")]
            removed: Option<Tombstone<'a>>,
        }
        #[derive(Deserialize)]
        struct Tombstone<'a> {
            #[serde(borrow)]
            reason: Option<Cow<'a, str>>,
        }
        let head: Head<'_> = serde_json::from_str(raw.get()).map_err(|error| {
            Error::new(Kind::Protocol("a change is not an object".to_owned())).because(error)
        })?;
        let removed = head.removed.map(|tombstone| match tombstone.reason.as_deref() {
            Some("deleted") => Removal::Deleted,
            _ => Removal::Changed,
        });
        Ok(Self { id: head.id.map(Cow::into_owned), removed, raw: raw.to_owned() })
    }
}

/// Changes hold people's data: the id is enough.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("id", &self.id).field("removed", &self.removed).finish_non_exhaustive()
    }
}

/// The last word about each object, in the order in which the last words came. What has no id is kept as it is.
#[must_use]
pub fn last_wins(changes: Vec<Change>) -> Vec<Change> {
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (index, change) in changes.iter().enumerate() {
        if let Some(id) = &change.id {
            last.insert(id, index);
        }
    }
    let mut keep = vec![true; changes.len()];
    for (index, change) in changes.iter().enumerate() {
        keep[index] = change.id.as_deref().is_none_or(|id| last.get(id) == Some(&index));
    }
    changes.into_iter().zip(keep).filter_map(|(change, keep)| keep.then_some(change)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> Change {
        Change::read(&RawValue::from_string(json.to_owned()).unwrap()).unwrap()
    }

    // DL-3
    #[test]
    fn a_tombstone_says_whether_the_object_can_come_back() {
        assert_eq!(change(r#"{"id":"1","mail":null}"#).removed, None);
        assert_eq!(change(r#"{"id":"1","@removed":{"reason":"changed"}}"#).removed, Some(Removal::Changed));
        assert_eq!(change(r#"{"@removed":{"reason":"deleted"},"id":"1"}"#).removed, Some(Removal::Deleted));
        assert_eq!(change(r#"{"id":"1","@removed":{}}"#).removed, Some(Removal::Changed));
        assert!(Change::read(&RawValue::from_string("7".to_owned()).unwrap()).is_err());
    }

    // DL-4
    #[test]
    fn the_last_word_about_an_object_counts() {
        let said = [
            r#"{"id":"a","n":1}"#,
            r#"{"id":"b","n":1}"#,
            r#"{"x":1}"#,
            r#"{"id":"a","n":2}"#,
            r#"{"id":"b","@removed":{"reason":"deleted"}}"#,
            r#"{"x":1}"#,
        ];
        let kept = last_wins(said.map(change).into());
        let raw: Vec<&str> = kept.iter().map(|change| change.raw.get()).collect();
        assert_eq!(raw, [said[2], said[3], said[4], said[5]]);
    }
}
