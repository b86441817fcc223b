//! JSON of clients, in which no member may be there twice: otherwise the last one would win, unseen.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value without duplicate members at any depth. The only reason to refuse JSON that is well-formed.
pub(super) struct Unambiguous(pub(super) Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, _>()? {
            if values.contains_key(&name) {
                let shown: String = name.chars().take(60).collect();
                return Err(A::Error::custom(format!(
                    "multiple properties with the name '{shown}' were detected"
                )));
            }
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_json_is_read_as_it_is_or_refused_as_it_would_be(
            text in r#"\PC{0,40}|[\[\]{}:,"0-9a-z. \\-]{0,40}|(\{"a":|\[|1|\]|,"b":2\}|\}|null|,){0,12}"#,
        ) {
            let plain: Result<Value, _> = serde_json::from_str(&text);
            match serde_json::from_str::<Unambiguous>(&text) {
                Ok(Unambiguous(value)) => prop_assert_eq!(value, plain.unwrap()),
                Err(error) => prop_assert!(plain.is_err() || error.to_string().contains("multiple properties")),
            }
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_told_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#] {
            let error = serde_json::from_str::<Unambiguous>(text).err().unwrap();
            assert!(error.to_string().starts_with("multiple properties with the name 'a'"), "{error}");
        }
        assert!(serde_json::from_str::<Unambiguous>(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}],"A":0}"#).is_ok());
        assert!(serde_json::from_str::<Unambiguous>(&"[".repeat(1_000_000)).is_err());
    }
}
