//! In which order the members of a document stand.
//!
//! A document is JSON, whatever the order. That of a user begins with everything that is shown unasked, so that a page
//! of users is cut out of the documents and not put together.

use memchr::memmem;
use serde_json::{Map, Value};

use super::{StoreError, Table};

/// What a user has without being asked, in the order of the names; the second is a collection, which is empty where
/// the others are null.
pub(crate) const USUAL_OF_USERS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// How the text of a user begins,
const BEGINNING: &[u8] = b"{\"businessPhones\":";

/// and what stands behind the usual members: no user is without it. In the text of a string these bytes are not found,
/// because quotes are escaped there.
const BEHIND_USUAL: &[u8] = b",\"accountEnabled\":";

/// The text of a document.
pub(super) fn text(table: Table, document: &Map<String, Value>) -> Result<String, StoreError> {
    if table != Table::Users || !document.contains_key("accountEnabled") {
        return Ok(serde_json::to_string(document)?);
    }
    let mut text = String::from("{");
    let mut push = |name: &str, value: &str| {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    };
    for name in USUAL_OF_USERS {
        match document.get(name) {
            Some(value) => push(name, &value.to_string()),
            None => push(name, if name == "businessPhones" { "[]" } else { "null" }),
        }
    }
    let mut others: Vec<_> =
        document.iter().filter(|(name, _)| !USUAL_OF_USERS.contains(&name.as_str())).collect();
    others.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in others {
        push(name, &value.to_string());
    }
    text.push('}');
    Ok(text)
}

/// Finds where the usual members of a user's text end. Made once for many texts.
pub(crate) fn end_of_usual() -> memmem::Finder<'static> {
    memmem::Finder::new(BEHIND_USUAL)
}

/// The usual members of a user's text, from the first brace on and without the last; nothing if the text does not
/// begin with them.
pub(crate) fn usual<'a>(text: &'a [u8], end_of_usual: &memmem::Finder<'_>) -> Option<&'a [u8]> {
    let end = text.starts_with(BEGINNING).then(|| end_of_usual.find(text))??;
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn a_user_begins_with_everything_usual_whatever_is_in_it(
            present in prop::collection::btree_map(0..USUAL_OF_USERS.len(), "\\PC{0,10}|,\"accountEnabled\":|.\",\"", 0..12),
            city in "\\PC{0,9}",
        ) {
            let mut document = Map::from_iter([("accountEnabled".into(), json!(true)), ("city".into(), json!(city))]);
            for (place, text) in present {
                let name = USUAL_OF_USERS[place];
                let value = if name == "businessPhones" { json!([text]) } else { json!(text) };
                document.insert(name.into(), value);
            }
            let text = text(Table::Users, &document).unwrap();
            let begun = [usual(text.as_bytes(), &end_of_usual()).unwrap(), b"}"].concat();
            let begun: Map<String, Value> = serde_json::from_slice(&begun).unwrap();
            for name in USUAL_OF_USERS {
                let nothing = if name == "businessPhones" { json!([]) } else { Value::Null };
                prop_assert_eq!(&begun[name], document.get(name).unwrap_or(&nothing));
            }
            prop_assert_eq!(begun.len(), USUAL_OF_USERS.len());
            let whole: Map<String, Value> = serde_json::from_str(&text).unwrap();
            document.extend(begun);
            prop_assert_eq!(whole, document);
        }
    }

    #[test]
    fn what_is_no_user_in_this_order_has_nothing_usual() {
        for text in
            [&b"{}"[..], b"{\"accountEnabled\":true,\"businessPhones\":[]}", b"{\"businessPhones\":[]}"]
        {
            assert_eq!(usual(text, &end_of_usual()), None);
        }
    }
}
