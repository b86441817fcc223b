//! What a directory demands of a user.

use serde_json::{Map, Value, json};
use unattended_core::Entropy;

/// The longest user principal name, and its part before the `@`.
const LONGEST_NAME: (usize, usize) = (113, 64);
const LONGEST_DISPLAY_NAME: usize = 256;
/// The attributes that are lists; in CSV their values are separated by semicolons.
const LISTS: [&str; 2] = ["businessPhones", "otherMails"];

/// Gives the values of a source their types and refuses what no directory would take.
pub(crate) fn check(attributes: &mut Map<String, Value>) -> Result<(), String> {
    for (name, value) in attributes.iter_mut() {
        match (name.as_str(), &*value) {
            ("accountEnabled", Value::String(text)) => {
                *value = parse_bool(text).map(Value::Bool).ok_or_else(|| {
                    format!("accountEnabled is `{}`, neither true nor false", text.escape_debug())
                })?;
            }
            ("userPrincipalName", Value::String(text)) => check_principal_name(text)?,
            ("mail", Value::String(text)) => check_mail(text)?,
            ("mailNickname", Value::String(text)) => check_nickname(text)?,
            ("displayName", Value::String(text)) => {
                let length = text.chars().count();
                if length > LONGEST_DISPLAY_NAME {
                    return Err(format!(
                        "displayName has {length} characters; {LONGEST_DISPLAY_NAME} are allowed"
                    ));
                }
            }
            (list, Value::String(text)) if LISTS.contains(&list) => {
                *value = text.split(';').map(str::trim).filter(|item| !item.is_empty()).collect();
            }
            ("userPrincipalName" | "displayName", Value::Null) => {
                return Err(format!("{name} cannot be cleared"));
            }
            ("userPrincipalName" | "displayName" | "mail", value) if !value.is_null() => {
                return Err(format!("{name} is not a text"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a new user gets besides what the source says, without its password; an error names what is missing.
pub(crate) fn complete(attributes: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut user = attributes.clone();
    user.retain(|_, value| !value.is_null());
    for required in ["displayName", "userPrincipalName"] {
        if !user.contains_key(required) {
            return Err(format!("{required} is missing, and a new user needs it"));
        }
    }
    if !user.contains_key("mailNickname")
        && let Some(name) = user.get("userPrincipalName").and_then(Value::as_str)
    {
        let local = name.split('@').next().unwrap_or(name);
        user.insert("mailNickname".to_owned(), local.into());
    }
    user.entry("accountEnabled").or_insert(Value::Bool(true));
    Ok(user)
}

/// An initial password that nobody knows and that the first sign-in replaces.
pub(crate) fn initial_password(entropy: &dyn Entropy) -> Value {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = entropy.bits();
    // 21 characters carry 126 random bits; the last four belong to the classes that password rules ask for.
    let random = (0..21).map(|index| char::from(ALPHABET[(bits >> (6 * index)) as usize % 64]));
    let password: String = random.chain("aZ7!".chars()).collect();
    json!({ "password": password, "forceChangePasswordNextSignIn": true })
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn check_principal_name(text: &str) -> Result<(), String> {
    let refuse = |reason: String| Err(format!("userPrincipalName {reason}"));
    let (longest, longest_local) = LONGEST_NAME;
    let (local, domain) = match text.split_once('@') {
        None => return refuse("has no @".to_owned()),
        Some((_, domain)) if domain.contains('@') => return refuse("has more than one @".to_owned()),
        Some(parts) => parts,
    };
    if local.is_empty() {
        return refuse("has nothing before the @".to_owned());
    }
    let length = text.chars().count();
    if length > longest {
        return refuse(format!("has {length} characters; {longest} are allowed"));
    }
    let length = local.chars().count();
    if length > longest_local {
        return refuse(format!("has {length} characters before the @; {longest_local} are allowed"));
    }
    let is_allowed = |character: &char| character.is_ascii_alphanumeric() || "'.-_!#^~".contains(*character);
    if let Some(character) = local.chars().find(|character| !is_allowed(character)) {
        let name =
            if character == ' ' { "a space".to_owned() } else { format!("`{}`", character.escape_debug()) };
        return refuse(format!(
            "has {name} before the @; letters a to z, digits and ' . - _ ! # ^ ~ are allowed"
        ));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return refuse("has a dot in the wrong place".to_owned());
    }
    check_domain(domain).map_or_else(|| Ok(()), |reason| refuse(reason.to_owned()))
}

fn check_mail(text: &str) -> Result<(), String> {
    let refuse = |reason: &str| Err(format!("mail {reason}"));
    let Some((local, domain)) = text.rsplit_once('@') else { return refuse("has no @") };
    if local.is_empty() || text.chars().count() > 254 {
        return refuse("is not an address");
    }
    if text
        .chars()
        .any(|character| character.is_whitespace() || character.is_control() || "<>,;".contains(character))
        || local.contains('@')
    {
        return refuse("has a character that no address has");
    }
    check_domain(domain).map_or(Ok(()), refuse)
}

fn check_nickname(text: &str) -> Result<(), String> {
    let is_refused =
        |character: &char| !character.is_ascii_graphic() || "@()\\[]\";:<>,".contains(*character);
    match text.chars().find(is_refused) {
        Some(' ') => Err("mailNickname has a space".to_owned()),
        Some(character) => Err(format!("mailNickname has `{}`", character.escape_debug())),
        None if text.len() > LONGEST_NAME.1 => {
            Err(format!("mailNickname has {} characters; {} are allowed", text.len(), LONGEST_NAME.1))
        }
        None => Ok(()),
    }
}

fn check_domain(domain: &str) -> Option<&'static str> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().count() <= 63
            && label.chars().all(|character| character.is_alphanumeric() || character == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match domain {
        "" => Some("has nothing after the @"),
        domain if !domain.contains('.') => Some("has no domain after the @"),
        domain if !domain.split('.').all(is_label) => Some("has a domain that cannot exist"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use unattended_core::{SeededEntropy, SystemEntropy};

    use super::*;

    fn checked(attributes: Value) -> Result<Map<String, Value>, String> {
        let mut attributes = attributes.as_object().cloned().unwrap();
        check(&mut attributes).map(|()| attributes)
    }

    #[test]
    fn a_principal_name_that_no_directory_takes_is_refused_with_the_reason() {
        for (name, reason) in [
            ("ana", "has no @"),
            ("@contoso.com", "has nothing before the @"),
            ("a@b@contoso.com", "has more than one @"),
            ("ana maria@contoso.com", "has a space before the @"),
            ("josé@contoso.com", "has `é` before the @"),
            ("ana@", "has nothing after the @"),
            ("ana@contoso", "has no domain after the @"),
            ("ana@-contoso.com", "has a domain that cannot exist"),
            ("ana.@contoso.com", "has a dot in the wrong place"),
            (&format!("{}@contoso.com", "a".repeat(65)), "has 65 characters before the @; 64 are allowed"),
            (&format!("a@{}.com", "b".repeat(120)), "has 126 characters; 113 are allowed"),
        ] {
            let error = checked(json!({ "userPrincipalName": name })).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
        }
        for name in ["o'neil-smith_1@sub.contoso.com", "A.B!#^~@contoso.onmicrosoft.com"] {
            checked(json!({ "userPrincipalName": name })).unwrap();
        }
    }

    #[test]
    fn mail_display_name_and_flags_are_checked() {
        for refused in [
            json!({"mail": "not an address"}),
            json!({"mail": "a b@contoso.com"}),
            json!({"displayName": "x".repeat(257)}),
            json!({"mailNickname": "ana maria"}),
            json!({"mailNickname": "josé"}),
            json!({"mailNickname": "a".repeat(65)}),
            json!({"displayName": null}),
            json!({"displayName": 7}),
            json!({"accountEnabled": "perhaps"}),
        ] {
            assert!(checked(refused.clone()).is_err(), "{refused}");
        }
        let user =
            checked(json!({"accountEnabled": "No", "businessPhones": "+1 555; +82 2 555", "mail": null}))
                .unwrap();
        assert_eq!(
            Value::from(user),
            json!({"accountEnabled": false, "businessPhones": ["+1 555", "+82 2 555"], "mail": null})
        );
    }

    #[test]
    fn a_new_user_gets_what_the_directory_requires() {
        let row = json!({"userPrincipalName": "ana@contoso.com", "displayName": "Ana", "mail": null});
        let user = complete(row.as_object().unwrap()).unwrap();
        assert_eq!(
            Value::from(user),
            json!({"userPrincipalName": "ana@contoso.com", "displayName": "Ana", "mailNickname": "ana", "accountEnabled": true})
        );
        let nameless = json!({"userPrincipalName": "ana@contoso.com"});
        assert!(complete(nameless.as_object().unwrap()).unwrap_err().contains("displayName is missing"));
    }

    #[test]
    fn initial_passwords_are_long_mixed_and_never_the_same() {
        let password = initial_password(&SystemEntropy);
        assert_eq!(password["forceChangePasswordNextSignIn"], true);
        assert_eq!(password["password"].as_str().unwrap().len(), 25);
        let seeded = SeededEntropy::new(1);
        assert_ne!(initial_password(&seeded), initial_password(&seeded));
    }
}
