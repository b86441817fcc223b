//! What a list shows of each object, cut out of the document as text: nothing is parsed.

use serde_json::{Map, Value};

use super::schema::{Kind, Property};
use crate::store::layout::{USUAL_OF_USERS, UserText};
use crate::store::text::{Members, NoDocument};
use crate::store::{StoreError, Table};

/// The properties that are shown, in the order of their names.
#[derive(Debug)]
pub(super) struct Projection<'a> {
    shown: Vec<Shown<'a>>,
    usual: Usual,
}

/// How the properties lie to those with which the text of a user begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Usual {
    /// They are the same.
    All,
    /// They are some of those: a bit for each, the lowest for the first.
    Some(u16),
    /// Some are none of those, or it is about another type.
    Beyond,
}

#[derive(Debug)]
struct Shown<'a> {
    name: &'a str,
    /// What it is where it has no value, in JSON.
    nothing: &'static str,
}

impl<'a> Projection<'a> {
    pub(super) fn of(table: Table, properties: impl Iterator<Item = &'a Property>) -> Self {
        let mut shown: Vec<Shown<'_>> = properties
            .map(|property| Shown { name: &property.name, nothing: nothing(property.kind) })
            .collect();
        shown.sort_unstable_by_key(|shown| shown.name);
        let place = |shown: &Shown<'_>| USUAL_OF_USERS.iter().position(|usual| *usual == shown.name);
        let places = shown.iter().map(place).try_fold(0, |bits, place| Some(bits | 1_u16 << place?));
        let usual = match places.filter(|_| table == Table::Users) {
            Some(_) if shown.len() == USUAL_OF_USERS.len() => Usual::All,
            Some(places) => Usual::Some(places),
            None => Usual::Beyond,
        };
        Self { shown, usual }
    }

    /// About how many bytes are written of an object.
    pub(super) fn likely_size(&self) -> usize {
        64 + 30 * self.shown.len()
    }

    /// Writes what is shown of a document as a JSON object.
    pub(super) fn write(&self, document: &[u8], out: &mut Vec<u8>) -> Result<(), StoreError> {
        let start = out.len();
        if self.cut_usual(document, out).is_some() {
            return Ok(());
        }
        out.truncate(start);
        if self.cut(document, out).is_ok() {
            return Ok(());
        }
        // In another order, or with spaces.
        out.truncate(start);
        let document: Map<String, Value> = serde_json::from_slice(document)?;
        out.push(b'{');
        for (place, shown) in self.shown.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match document.get(shown.name) {
                None => shown.write_nothing(out),
                Some(value) => out.extend_from_slice(format!("\"{}\":{value}", shown.name).as_bytes()),
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Copies what the text of a user begins with, or some of it.
    fn cut_usual(&self, document: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self.usual {
            Usual::Beyond => return None,
            Usual::All => out.extend_from_slice(UserText::of(document)?.usual()?),
            Usual::Some(mut places) => {
                let user = UserText::of(document)?;
                out.push(b'{');
                let start = out.len();
                while places != 0 {
                    if out.len() > start {
                        out.push(b',');
                    }
                    out.extend_from_slice(user.member(places.trailing_zeros() as usize)?);
                    places &= places - 1;
                }
            }
        }
        out.push(b'}');
        Some(())
    }

    /// Copies runs of members. Works on documents whose members are in order.
    fn cut(&self, document: &[u8], out: &mut Vec<u8>) -> Result<(), NoDocument> {
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
                out.extend_from_slice(&document[run]);
            }
        };
        let mut members = Members::of(document);
        let mut wanted = self.shown.iter().peekable();
        let mut last: &[u8] = b"";
        while let Some(member) = members.next()? {
            if member.name < last {
                return Err(NoDocument);
            }
            last = member.name;
            while let Some(missing) = wanted.next_if(|shown| shown.name.as_bytes() < member.name) {
                copy(std::mem::take(&mut run), out);
                comma(out);
                missing.write_nothing(out);
            }
            if wanted.next_if(|shown| shown.name.as_bytes() == member.name).is_none() {
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
            missing.write_nothing(out);
        }
        out.push(b'}');
        Ok(())
    }
}

impl Shown<'_> {
    fn write_nothing(&self, out: &mut Vec<u8>) {
        for part in ["\"", self.name, "\":", self.nothing] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// What a property without a value is shown as, in JSON.
pub(super) fn nothing(kind: Kind) -> &'static str {
    match kind {
        Kind::Many(_) | Kind::Objects | Kind::Texts(_) => "[]",
        _ => "null",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema::USER;
    use super::*;
    use crate::store::{Store, objects};

    fn written(projection: &Projection<'_>, document: &str) -> String {
        let mut out = Vec::new();
        projection.write(document.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn of(names: &[&str]) -> Projection<'static> {
        Projection::of(Table::Users, names.iter().filter_map(|name| USER.property(name)))
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
        assert!(projection.write(b"{", &mut Vec::new()).is_err());
    }

    #[test]
    fn what_is_usual_of_a_user_is_what_its_text_begins_with() {
        let mut usual: Vec<_> = USER
            .properties
            .iter()
            .filter(|property| property.is_default)
            .map(|property| &*property.name)
            .collect();
        usual.sort_unstable();
        assert_eq!(usual, USUAL_OF_USERS);
        assert_eq!(
            Projection::of(Table::Users, USER.properties.iter().filter(|it| it.is_default)).usual,
            Usual::All
        );
        assert_eq!(of(&["mail", "id"]).usual, Usual::Some(0b10_1000));
        assert_eq!(of(&["mail", "city"]).usual, Usual::Beyond);
    }

    /// The document as the store writes it.
    fn in_layout(document: &Map<String, Value>) -> String {
        let store = Store::in_memory().unwrap();
        store
            .write(|transaction| {
                transaction.execute_batch("INSERT INTO tenants VALUES ('t', 't', 0)")?;
                objects::insert(transaction, Table::Users, "t", document)?;
                Ok::<_, StoreError>(
                    transaction.query_row("SELECT document FROM users", [], |row| row.get(0))?,
                )
            })
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn cutting_shows_what_parsing_would_show(
            present in prop::collection::btree_map(0..USER.properties.len(), "\\PC{0,10}", 0..USER.properties.len()),
            selected in prop::collection::btree_set(0..USER.properties.len(), 0..USER.properties.len()),
        ) {
            let mut document: Map<String, Value> = present
                .iter()
                .map(|(place, text)| {
                    let property = &USER.properties[*place];
                    let value = match property.kind {
                        Kind::Texts(_) => Value::from(vec![text.clone()]),
                        _ => Value::from(text.clone()),
                    };
                    (property.name.to_string(), value)
                })
                .collect();
            for name in ["accountEnabled", "id"] {
                document.entry(name).or_insert_with(|| "1".into());
            }
            let projection = Projection::of(Table::Users, selected.iter().map(|place| &USER.properties[*place]));
            let expected: Map<String, Value> = selected
                .iter()
                .map(|place| {
                    let property = &USER.properties[*place];
                    let nothing = || serde_json::from_str(nothing(property.kind)).unwrap();
                    (property.name.to_string(), document.get(&*property.name).cloned().unwrap_or_else(nothing))
                })
                .collect();
            let mut names: Vec<_> = expected.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            let members: Vec<_> = names.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let shown = format!("{{{}}}", members.join(","));
            prop_assert_eq!(written(&projection, &serde_json::to_string(&document).unwrap()), &shown[..]);
            prop_assert_eq!(written(&projection, &in_layout(&document)), shown);
        }
    }
}
