//! `$expand`: objects with those that they lead to, one level deep and not many.

use rusqlite::Connection;
use serde_json::{Map, Value};

use super::access;
use super::exchange::Call;
use super::fault::Fault;
use super::navigation::{self, Navigation};
use super::odata::select;
use super::schema::{DIRECTORY_OBJECT, EntityType, Property};
use crate::store::Object;

/// How many objects are shown of each property.
pub(super) const MAX_EXPANDED: usize = 20;

/// What `$expand` asks for: navigation properties, each with what is shown of its objects.
pub(super) struct Expansion {
    parts: Vec<(&'static Navigation, Option<Vec<&'static Property>>)>,
}

impl std::fmt::Debug for Expansion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|(navigation, _)| navigation.name)).finish()
    }
}

impl Expansion {
    /// Reads `members,owners($select=id)`.
    ///
    /// # Errors
    /// 400 for what is no navigation property of the type, or asks for more than `$select` inside.
    pub(super) fn parse(text: &str, entity: &EntityType) -> Result<Self, Fault> {
        let wrong =
            |what: String| Fault::bad_query(format!("Parsing OData Select and Expand failed: {what}"));
        let mut parts: Vec<(&'static Navigation, Option<Vec<_>>)> = Vec::new();
        for item in items(text).ok_or_else(|| wrong("a parenthesis is missing.".to_owned()))? {
            let (name, inner) = match item.split_once('(') {
                None => (item, None),
                Some((name, inner)) => (name, inner.strip_suffix(')')),
            };
            let name = name.trim();
            let navigation = navigation::of(entity, name).ok_or_else(|| {
                wrong(format!(
                    "Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
                    entity.name
                ))
            })?;
            let select = match inner.map(|inner| inner.trim().split_once('=')) {
                None => None,
                Some(Some((option, names))) if option.trim().eq_ignore_ascii_case("$select") => {
                    Some(select(names, &DIRECTORY_OBJECT)?)
                }
                Some(_) => {
                    let message =
                        format!("Only $select is supported within $expand of the property '{name}'.");
                    return Err(Fault::unsupported_query(message));
                }
            };
            if parts.iter().any(|(other, _)| other.name == navigation.name) {
                return Err(wrong(format!("the property '{name}' is named more than once.")));
            }
            parts.push((navigation, select));
        }
        Ok(Self { parts })
    }

    /// 403 for a caller that may not read what it leads to.
    pub(super) fn admit(&self, call: &Call<'_>) -> Result<(), Fault> {
        for (navigation, _) in &self.parts {
            let needed = match navigation.name {
                "memberOf" | "transitiveMemberOf" => access::READ_DIRECTORY,
                "manager" | "directReports" => access::READ_ALL_USERS,
                _ => continue,
            };
            needed.admit(call.caller)?;
        }
        Ok(())
    }

    /// Adds what it leads to, to an object that is shown.
    pub(super) fn add(
        &self,
        connection: &Connection,
        call: &Call<'_>,
        object: &Object,
        shown: &mut Map<String, Value>,
    ) -> Result<(), Fault> {
        for (navigation, select) in &self.parts {
            let mut found =
                navigation.first(connection, call, object.id(), select.as_deref(), MAX_EXPANDED)?;
            let value = match navigation.is_single() {
                true if found.is_empty() => continue,
                true => found.swap_remove(0),
                false => found.into(),
            };
            shown.insert(navigation.name.to_owned(), value);
        }
        Ok(())
    }
}

/// What commas separate outside of parentheses.
fn items(text: &str) -> Option<Vec<&str>> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    (depth == 0).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_parentheses_separate_nothing() {
        assert_eq!(items("a,b($select=c,d), e").unwrap(), ["a", "b($select=c,d)", "e"]);
        assert!(items("a(").is_none() && items("a)").is_none());
    }
}
