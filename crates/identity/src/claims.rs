//! The `claims` parameter (OpenID Connect Core section 5.5): what the application can handle, what it wants, and what a
//! web API asked for, in one JSON object.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::error::Error;

type Object = Map<String, Value>;

/// Reads a claims request: JSON, or the base64 of it, as it stands in a `WWW-Authenticate` header.
///
/// # Errors
/// Not an object. The text is not repeated: it may come from outside.
pub(crate) fn parse(text: &str) -> Result<Object, Error> {
    let text = text.trim();
    let json = match text.starts_with('{') {
        true => Some(text.as_bytes().to_vec()),
        false => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).or_else(|_| STANDARD.decode(text)).ok(),
    };
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Error::configuration("the claims are not a JSON object"))
}

/// The claims by which an application says what it can handle (`xms_cc`).
pub(crate) fn of_capabilities(capabilities: &[String]) -> Object {
    match json!({ "access_token": { "xms_cc": { "values": capabilities } } }) {
        Value::Object(object) if !capabilities.is_empty() => object,
        _ => Object::new(),
    }
}

/// All members of both, nested ones, too. Lists are united; for any other conflict the later one wins.
pub(crate) fn merge(mut first: Object, second: Object) -> Object {
    for (name, value) in second {
        let merged = match (first.remove(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(merge(old, new)),
            (Some(Value::Array(mut old)), Value::Array(new)) => {
                new.into_iter().for_each(|item| {
                    if !old.contains(&item) {
                        old.push(item);
                    }
                });
                Value::Array(old)
            }
            (_, value) => value,
        };
        first.insert(name, merged);
    }
    first
}

/// The text to send; nothing for no claims.
pub(crate) fn to_text(claims: &Object) -> Option<String> {
    (!claims.is_empty()).then(|| Value::Object(claims.clone()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // D14: a deep merge keeps both; case 43 of the peers' suites.
    #[test]
    fn capabilities_and_a_challenge_are_merged_to_the_last_level() {
        let challenge = parse(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#).unwrap();
        let capabilities = of_capabilities(&["cp1".to_owned()]);
        assert_eq!(
            to_text(&merge(capabilities.clone(), challenge)).unwrap(),
            r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}}}"#
        );
        let more = parse(r#"{"access_token":{"xms_cc":{"values":["cp1","cp2"]}}}"#).unwrap();
        assert_eq!(
            to_text(&merge(capabilities, more)).unwrap(),
            r#"{"access_token":{"xms_cc":{"values":["cp1","cp2"]}}}"#
        );
        assert_eq!(to_text(&of_capabilities(&[])), None);
    }

    // Case 44 of the peers' suites.
    #[test]
    fn what_is_no_object_is_refused_and_not_repeated() {
        for text in ["canary", r#"["canary"]"#, r#""canary""#, "{canary", ""] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_challenge_may_still_be_the_base64_of_its_header() {
        assert_eq!(parse("eyJhIjoxfQ==").unwrap(), parse(r#"{"a":1}"#).unwrap());
    }
}
