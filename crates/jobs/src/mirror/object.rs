//! One object as text, with its properties in their own order.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What is asked of a line.
#[derive(serde::Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(rename = "@removed")]
    pub(super) removed: Option<serde::de::IgnoredAny>,
}

impl<'a> Head<'a> {
    pub(super) fn of(line: &'a str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}

/// `new` over `old`: a property that `new` does not have stays. Values keep their text. A change that has every
/// property stays as it is.
pub(super) fn overlay(old: &str, new: &str) -> io::Result<String> {
    let (Properties(before), Properties(after)) = (serde_json::from_str(old)?, serde_json::from_str(new)?);
    let has = |name: &str| after.iter().any(|(known, _)| known == name);
    if before.iter().all(|(name, _)| has(name) && !is_relation(name)) {
        return Ok(new.to_owned());
    }
    let mut members = Vec::new();
    for (name, value) in &before {
        let newer = after.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value);
        members.push(match newer {
            Some(newer) if is_relation(name) => member(name, &merge_relation(value.get(), newer.get())?),
            newer => member(name, newer.unwrap_or(value).get()),
        });
    }
    let is_new = |name: &str| !before.iter().any(|(known, _)| known == name);
    members
        .extend(after.iter().filter(|(name, _)| is_new(name)).map(|(name, value)| member(name, value.get())));
    Ok(format!("{{{}}}", members.join(",")))
}

/// Relations come in pieces: `members@delta` holds those that were added or removed.
fn is_relation(name: &str) -> bool {
    name.ends_with("@delta")
}

fn merge_relation(old: &str, new: &str) -> io::Result<String> {
    let (before, after): (Vec<&RawValue>, Vec<&RawValue>) =
        (serde_json::from_str(old)?, serde_json::from_str(new)?);
    let mut related: Vec<(Cow<'_, str>, Option<&str>)> = Vec::new();
    for item in before.into_iter().chain(after) {
        let head = Head::of(item.get())?;
        let text = head.removed.is_none().then_some(item.get());
        match related.iter_mut().find(|(id, _)| *id == head.id) {
            Some(known) => known.1 = text,
            None => related.push((head.id, text)),
        }
    }
    let kept: Vec<&str> = related.into_iter().filter_map(|(_, text)| text).collect();
    Ok(format!("[{}]", kept.join(",")))
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{value}", serde_json::Value::from(name))
}

/// A JSON object that keeps the order and the text of its properties.
struct Properties<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Properties<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Properties<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Properties(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A name that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    // DL-3
    #[test]
    fn an_absent_property_stays_and_a_null_one_has_no_value() {
        let old = r#"{"id":"1","mail":"a@b","age" : 1.50e1,"tel":"7"}"#;
        assert_eq!(
            overlay(old, r#"{"tel":null,"id":"1","new":[ 1 ]}"#).unwrap(),
            r#"{"id":"1","mail":"a@b","age":1.50e1,"tel":null,"new":[ 1 ]}"#
        );
        let complete = r#"{ "mail":"c@d", "tel":"8","age":2, "id":"1" }"#;
        assert_eq!(overlay(old, complete).unwrap(), complete);
        assert_eq!(overlay(r#"{"a\"b":1,"c":1}"#, r#"{"a\"b":2}"#).unwrap(), r#"{"a\"b":2,"c":1}"#);
    }

    #[test]
    fn the_members_of_a_group_add_up() {
        let old = r#"{"id":"g","members@delta":[{"id":"1"},{"id":"2"}]}"#;
        let new = r#"{"id":"g","members@delta":[{"id":"1","@removed":{"reason":"deleted"}},{"id":"3"}]}"#;
        let merged = overlay(old, new).unwrap();
        assert_eq!(merged, r#"{"id":"g","members@delta":[{"id":"2"},{"id":"3"}]}"#);
        assert_eq!(overlay(&merged, new).unwrap(), merged);
    }
}
