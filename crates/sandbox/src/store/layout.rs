//! In which order the members of a document stand.
//!
//! A document is JSON, whatever the order. That of a user begins with everything that is shown unasked, and ends with
//! where each of those members ends: so a page of users is cut out of the documents, and nothing is searched in them.

use serde_json::{Map, Value};

use super::text::Members;
use super::{StoreError, Table};

/// What a user has without being asked, in the order of the names; the first is a collection, which is empty where
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

/// The last member of a user's text, which is no property: two digits for each usual member.
pub(super) const ENDS: &str = "~";

/// How that member begins. In the text of a string these bytes are not found, because quotes are escaped there.
const BEFORE_ENDS: &[u8] = b",\"~\":\"";

/// And what is behind it.
const BEHIND_ENDS: &[u8] = b"\"}";

/// Digits are the characters from the one behind the quote to the one before the backslash.
const FIRST_DIGIT: u8 = b'"' + 1;
const BASE: usize = (b'\\' - FIRST_DIGIT) as usize;

/// The text of a document.
pub(super) fn text(table: Table, document: &Map<String, Value>) -> Result<String, StoreError> {
    if table != Table::Users {
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
    Ok(with_ends(text))
}

/// The text of a user with its ends. They are left out where they have more than two digits.
pub(super) fn with_ends(text: String) -> String {
    let mut members = Members::of(text.as_bytes());
    let mut ends = String::with_capacity(2 * USUAL_OF_USERS.len());
    for name in USUAL_OF_USERS {
        match members.next() {
            Ok(Some(member)) if member.name == name.as_bytes() && member.end < BASE * BASE => {
                let digit = |value: usize| char::from(FIRST_DIGIT + value as u8);
                ends.extend([digit(member.end / BASE), digit(member.end % BASE)]);
            }
            _ => return text,
        }
    }
    format!("{},\"{ENDS}\":\"{ends}\"}}", text.strip_suffix('}').unwrap_or(&text))
}

/// The text of a user with its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserText<'a> {
    text: &'a [u8],
    ends: &'a [[u8; 2]],
}

impl<'a> UserText<'a> {
    /// Nothing of a text without ends: of no user, or of one that was written before there were any.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_suffix(BEHIND_ENDS)?;
        let (rest, ends) = rest.split_at_checked(rest.len().checked_sub(2 * USUAL_OF_USERS.len())?)?;
        rest.ends_with(BEFORE_ENDS).then_some(Self { text, ends: ends.as_chunks().0 })
    }

    /// The usual members, from the first brace on and without the last.
    pub(crate) fn usual(self) -> Option<&'a [u8]> {
        self.text.get(..self.end(USUAL_OF_USERS.len() - 1)?)
    }

    /// The usual member at a place, its name included.
    pub(crate) fn member(self, place: usize) -> Option<&'a [u8]> {
        let before = place.checked_sub(1).map_or(Some(0), |before| self.end(before))?;
        self.text.get(before + 1..self.end(place)?)
    }

    fn end(self, place: usize) -> Option<usize> {
        let value = |digit: u8| digit.wrapping_sub(FIRST_DIGIT) as usize;
        let [high, low] = *self.ends.get(place)?;
        Some(value(high) * BASE + value(low))
    }
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
            let user = UserText::of(text.as_bytes()).unwrap();
            let begun = user.usual().unwrap();
            let members: Vec<_> = (0..USUAL_OF_USERS.len()).map(|place| user.member(place).unwrap()).collect();
            prop_assert_eq!(&begun[1..], members.join(&b','));
            let begun: Map<String, Value> = serde_json::from_slice(&[begun, b"}"].concat()).unwrap();
            for name in USUAL_OF_USERS {
                let nothing = if name == "businessPhones" { json!([]) } else { Value::Null };
                prop_assert_eq!(&begun[name], document.get(name).unwrap_or(&nothing));
            }
            prop_assert_eq!(begun.len(), USUAL_OF_USERS.len());
            let mut whole: Map<String, Value> = serde_json::from_str(&text).unwrap();
            whole.remove(ENDS);
            document.extend(begun);
            prop_assert_eq!(whole, document);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", digits in "[!-~]{20,24}") {
            for text in [text, format!("{{\"a\":1,\"~\":\"{digits}\"}}")] {
                let Some(user) = UserText::of(text.as_bytes()) else { continue };
                let _ = user.usual();
                for place in 0..=USUAL_OF_USERS.len() {
                    let _ = user.member(place);
                }
            }
        }
    }

    #[test]
    fn what_is_no_user_in_this_order_or_too_long_has_no_ends() {
        for text in ["{}", r#"{"accountEnabled":true,"businessPhones":[]}"#, r#"{"businessPhones":[]}"#] {
            assert!(UserText::of(with_ends(text.into()).as_bytes()).is_none());
        }
        for (length, has_ends) in [(3_000, true), (3_300, false)] {
            let document = json!({ "displayName": "x".repeat(length) });
            let text = text(Table::Users, document.as_object().unwrap()).unwrap();
            assert_eq!(UserText::of(text.as_bytes()).is_some(), has_ends);
            assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
