//! Attributes and tags: what every version carries beside its content.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use crate::store::vault::RECOVERABLE;

/// The most tags of one object.
const MAX_TAGS: usize = 15;

/// The most characters in the name or the value of a tag.
const MAX_TAG_CHARS: usize = 256;

/// The attributes of a new version from those that a client wrote, or those of a version changed by them.
pub(super) fn attributes(
    before: Option<&Map<String, Value>>,
    written: Option<&Value>,
    now: i64,
) -> Result<Map<String, Value>, Fault> {
    let mut attributes = before.cloned().unwrap_or_else(|| {
        let mut fresh = Map::new();
        fresh.insert("enabled".into(), true.into());
        fresh.insert("created".into(), now.into());
        fresh
    });
    attributes.insert("updated".into(), now.into());
    let wrong = |name: &str| Fault::bad_parameter(format!("The attribute '{name}' is not valid."));
    let written = match written {
        None | Some(Value::Null) => return Ok(attributes),
        Some(written) => written.as_object().ok_or_else(|| wrong("attributes"))?,
    };
    for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "enabled" if !value.is_boolean() => return Err(wrong(name)),
            "nbf" | "exp" if value.as_i64().is_none_or(i64::is_negative) => return Err(wrong(name)),
            "enabled" | "nbf" | "exp" => drop(attributes.insert(name.clone(), value.clone())),
            // What only the vault writes is not an error: clients send back what they read.
            _ => {}
        }
    }
    let time = |name: &str| attributes.get(name).and_then(Value::as_i64);
    if time("nbf").zip(time("exp")).is_some_and(|(begin, end)| begin >= end) {
        return Err(Fault::bad_parameter("The expiration time must be after the not-before time."));
    }
    Ok(attributes)
}

/// Tags: texts by name. A change replaces all of them.
pub(super) fn tags(written: &Value) -> Result<Value, Fault> {
    let wrong = || Fault::bad_parameter("Tags are at most 15 texts by name, of at most 256 characters each.");
    let tags = written.as_object().ok_or_else(wrong)?;
    let is_short = |text: &str| text.chars().count() <= MAX_TAG_CHARS;
    let are_texts = tags.iter().all(|(name, value)| is_short(name) && value.as_str().is_some_and(is_short));
    if tags.len() > MAX_TAGS || !are_texts {
        return Err(wrong());
    }
    Ok(written.clone())
}

/// Attributes as they are shown.
pub(super) fn shown(attributes: Option<&Value>) -> Value {
    let mut shown = attributes.cloned().unwrap_or_else(|| json!({}));
    shown["recoveryLevel"] = "Recoverable+Purgeable".into();
    shown["recoverableDays"] = (RECOVERABLE / 86_400).into();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let first = attributes(None, Some(&json!({ "nbf": 5, "exp": 10, "created": 1 })), 100).unwrap();
        assert_eq!(
            Value::Object(first.clone()),
            json!({ "enabled": true, "created": 100, "updated": 100, "nbf": 5, "exp": 10 })
        );
        let changed = json!({ "enabled": false, "exp": null });
        let second = attributes(Some(&first), Some(&changed), 200).unwrap();
        assert_eq!(
            Value::Object(second),
            json!({ "enabled": false, "created": 100, "updated": 200, "nbf": 5, "exp": 10 })
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [json!({ "enabled": 1 }), json!({ "exp": "x" }), json!({ "nbf": -1 }), json!([])] {
            assert!(attributes(None, Some(&wrong), 0).is_err(), "{wrong}");
        }
        assert!(attributes(None, Some(&json!({ "nbf": 10, "exp": 5 })), 0).is_err());
        assert!(tags(&json!({ "a": 1 })).is_err() && tags(&json!([])).is_err());
        assert!(tags(&json!({ "a": "b" })).is_ok());
    }
}
