//! What a list shows of each object, cut out of the document as text: nothing is parsed.

use serde_json::{Map, Value};

use super::schema::{Kind, Property};
use crate::store::StoreError;
use crate::store::text::{Members, NoDocument};

/// The properties that are shown, in the order of their names.
#[derive(Debug)]
pub(super) struct Projection(Vec<Shown>);

#[derive(Debug)]
struct Shown {
    name: &'static str,
    /// The member of an object that has no value: `"name":null`.
    nothing: String,
}

impl Projection {
    pub(super) fn of<'a>(properties: impl Iterator<Item = &'a Property>) -> Self {
        let mut shown: Vec<Shown> = properties
            .map(|property| Shown {
                name: property.name,
                nothing: format!("\"{}\":{}", property.name, nothing(property.kind)),
            })
            .collect();
        shown.sort_unstable_by_key(|shown| shown.name);
        Self(shown)
    }

    /// Writes what is shown of a document as a JSON object.
    pub(super) fn write(&self, document: &str, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let start = out.len();
        if self.cut(document, out).is_ok() {
            return Ok(());
        }
        // Not as the store writes them, but perhaps still a document.
        out.truncate(start);
        let document: Map<String, Value> = serde_json::from_str(document)?;
        out.push(b'{');
        for (place, shown) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match document.get(shown.name) {
                None => out.extend_from_slice(shown.nothing.as_bytes()),
                Some(value) => {
                    out.extend_from_slice(format!("\"{}\":{value}", shown.name).as_bytes());
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Copies runs of members. Works on documents whose members are in order.
    fn cut(&self, document: &str, out: &mut Vec<u8>) -> Result<(), NoDocument> {
        out.push(b'{');
        let start = out.len();
        let comma = |out: &mut Vec<u8>| {
            if out.len() > start {
                out.push(b',');
            }
        };
        // Members that are shown and stand beside each other: copied at once.
        let mut run = 0..0;
        let copy = |run: std::ops::Range<usize>, out: &mut Vec<u8>| {
            if !run.is_empty() {
                comma(out);
                out.extend_from_slice(&document.as_bytes()[run]);
            }
        };
        let mut members = Members::of(document);
        let mut wanted = self.0.iter().peekable();
        let mut last = "";
        while let Some(member) = members.next()? {
            if member.name < last {
                return Err(NoDocument);
            }
            last = member.name;
            while let Some(missing) = wanted.next_if(|shown| shown.name < member.name) {
                copy(std::mem::take(&mut run), out);
                comma(out);
                out.extend_from_slice(missing.nothing.as_bytes());
            }
            if wanted.next_if(|shown| shown.name == member.name).is_none() {
                continue;
            }
            match run.is_empty() || run.end + 1 != member.start {
                true => copy(std::mem::replace(&mut run, member.start..member.end), out),
                false => run.end = member.end,
            }
        }
        copy(run, out);
        for missing in wanted {
            comma(out);
            out.extend_from_slice(missing.nothing.as_bytes());
        }
        out.push(b'}');
        Ok(())
    }
}

/// What a property without a value is shown as, in JSON.
pub(super) fn nothing(kind: Kind) -> &'static str {
    match kind {
        Kind::Objects | Kind::Texts(_) => "[]",
        Kind::Boolean | Kind::DateTime | Kind::Guid | Kind::Links | Kind::Object | Kind::Text(_) => "null",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema::USER;
    use super::*;

    fn written(projection: &Projection, document: &str) -> String {
        let mut out = Vec::new();
        projection.write(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn of(names: &[&str]) -> Projection {
        Projection::of(names.iter().filter_map(|name| USER.property(name)))
    }

    #[test]
    fn what_has_no_value_is_null_and_a_collection_is_empty() {
        let projection = of(&["mail", "businessPhones", "id", "surname"]);
        assert_eq!(
            written(&projection, r#"{"city":"x","id":"1","mail":"\"{"}"#),
            r#"{"businessPhones":[],"id":"1","mail":"\"{","surname":null}"#
        );
        assert_eq!(written(&of(&[]), r#"{"id":"1"}"#), "{}");
    }

    #[test]
    fn a_document_in_another_order_is_shown_all_the_same() {
        let projection = of(&["city", "id", "mail"]);
        let shown = r#"{"city":null,"id":"1","mail":"a"}"#;
        assert_eq!(written(&projection, r#"{"mail":"a","id":"1"}"#), shown);
        assert_eq!(written(&projection, r#"{ "id": "1", "mail": "a" }"#), shown);
        assert!(projection.write("{", &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn cutting_shows_what_parsing_would_show(
            present in prop::collection::btree_map(0..USER.properties.len(), "\\PC{0,10}", 0..USER.properties.len()),
            selected in prop::collection::btree_set(0..USER.properties.len(), 0..USER.properties.len()),
        ) {
            let document: Map<String, Value> = present
                .iter()
                .map(|(place, text)| {
                    let property = &USER.properties[*place];
                    let value = match property.kind {
                        Kind::Texts(_) => Value::from(vec![text.clone()]),
                        _ => Value::from(text.clone()),
                    };
                    (property.name.to_owned(), value)
                })
                .collect();
            let projection = Projection::of(selected.iter().map(|place| &USER.properties[*place]));
            let expected: Map<String, Value> = selected
                .iter()
                .map(|place| {
                    let property = &USER.properties[*place];
                    let nothing = || serde_json::from_str(nothing(property.kind)).unwrap();
                    (property.name.to_owned(), document.get(property.name).cloned().unwrap_or_else(nothing))
                })
                .collect();
            let mut names: Vec<_> = expected.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            let members: Vec<_> = names.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let shown = written(&projection, &serde_json::to_string(&document).unwrap());
            prop_assert_eq!(shown, format!("{{{}}}", members.join(",")));
        }
    }
}
