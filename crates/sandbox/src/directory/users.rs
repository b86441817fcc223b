//! `/users`

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::access::{BASIC_USER_PROPERTIES, UPDATE_ANY_PROPERTY, UPDATE_ONE_PROPERTY};
use super::body::{invalid, merge, properties, require};
use super::collection::Collection;
use super::etag;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::navigation::MANAGER;
use super::schema::USER;
use crate::store::{Object, StoreError, Table, Tenant, deleted, objects, timestamp};

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    collection(call).list(call)
}

pub(super) fn count(call: &Call<'_>) -> Result<Answer, Fault> {
    collection(call).count(call)
}

pub(super) fn delta(call: &Call<'_>) -> Result<Answer, Fault> {
    super::delta::answer(call, &collection(call))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let user = call.directory.store.read(|connection| find(connection, call))?;
    collection(call).single(call, user)
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut document = properties(call, &USER)?;
    let manager = manager(call)?;
    check(&document, call.tenant)?;
    let password = document.remove("passwordProfile");
    for property in REQUIRED {
        require(&document, &USER, property)?;
    }
    if password.as_ref().and_then(|profile| profile.get("password")).is_none() {
        let message = "A password must be specified to create a new user.";
        return Err(Fault::invalid_property("passwordProfile", message));
    }
    document.retain(|_, value| !value.is_null());
    document.insert("id".into(), call.directory.entropy.uuid().into());
    document.insert("createdDateTime".into(), timestamp(call.now).into());
    document.entry("userType").or_insert_with(|| json!("Member"));
    let user = Object { seq: 0, document };
    call.directory.store.write(|transaction| {
        objects::insert(transaction, Table::Users, &call.tenant.id, &user.document).map_err(conflict)?;
        manager.map_or(Ok(()), |manager| MANAGER.replace(transaction, call, &user, &manager))
    })?;
    collection(call).created(call, user.document)
}

pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut changes = properties(call, &USER)?;
    let manager = manager(call)?;
    if !UPDATE_ANY_PROPERTY.iter().any(|permission| call.caller.has_role(permission)) {
        let may_write =
            |name: &String| UPDATE_ONE_PROPERTY.iter().any(|narrow| narrow.lets_write(call.caller, name));
        if manager.is_some() || !changes.keys().all(may_write) {
            return Err(Fault::denied());
        }
    }
    check(&changes, call.tenant)?;
    if REQUIRED.iter().any(|property| changes.get(*property).is_some_and(Value::is_null)) {
        let name = REQUIRED.iter().find(|name| changes.get(**name).is_some_and(Value::is_null));
        return Err(invalid(&USER, name.copied().unwrap_or_default()));
    }
    // No user signs in here, so that a password is judged and forgotten.
    changes.remove("passwordProfile");
    call.directory.store.write(|transaction| {
        let mut user = find(transaction, call)?;
        merge(&mut user.document, changes);
        objects::replace(transaction, Table::Users, &call.tenant.id, &user.document).map_err(conflict)?;
        manager.map_or(Ok(()), |manager| MANAGER.replace(transaction, call, &user, &manager))
    })?;
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let user = find(transaction, call)?;
        deleted::delete(transaction, Table::Users, &call.tenant.id, user.id(), call.now)?;
        Ok::<_, Fault>(())
    })?;
    Ok(Answer::no_content())
}

/// How a body names the manager to link.
pub(super) const MANAGER_BIND: &str = "manager@odata.bind";

fn manager(call: &Call<'_>) -> Result<Option<String>, Fault> {
    match call.json()?.remove(MANAGER_BIND) {
        None => Ok(None),
        Some(Value::String(manager)) => Ok(Some(manager)),
        Some(_) => Err(Fault::bad_request(format!("The value of '{MANAGER_BIND}' is no URL."))),
    }
}

/// What a user cannot be without.
const REQUIRED: [&str; 4] = ["accountEnabled", "displayName", "mailNickname", "userPrincipalName"];

fn collection(call: &Call<'_>) -> Collection {
    let sees_all = call.caller.roles().iter().any(|role| {
        role != "User.ReadBasic.All" && super::access::READ_USERS.any_of.contains(&role.as_str())
    });
    // A writer sees what it wrote, whatever it may read.
    let is_write = call.request.method != axum::http::Method::GET;
    Collection {
        visible: (!sees_all && !is_write).then_some(&BASIC_USER_PROPERTIES[..]),
        ..Collection::of(&USER)
    }
}

/// By id or by user principal name.
pub(super) fn find(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let name = &call.key(0).value;
    let (column, value) = match name.contains('@') {
        true => ("user_principal_name", name.clone()),
        false => ("id", name.to_ascii_lowercase()),
    };
    let found = match &call.key(0).property {
        None => objects::find(connection, Table::Users, &call.tenant.id, column, &value)?,
        Some(_) => None,
    };
    let found = found.ok_or_else(|| Fault::not_found(name))?;
    etag::check(call, &found)?;
    Ok(found)
}

/// What the type alone does not say about the values.
fn check(properties: &Map<String, Value>, tenant: &Tenant) -> Result<(), Fault> {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    if let Some(name) = text("userPrincipalName") {
        let (local, domain) = name.rsplit_once('@').ok_or_else(|| invalid(&USER, "userPrincipalName"))?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'._-!#^~".contains(&byte);
        let is_local = !local.is_empty()
            && local.len() <= 64
            && local.bytes().all(is_allowed)
            && !local.starts_with('.')
            && !local.ends_with('.');
        if !is_local {
            return Err(invalid(&USER, "userPrincipalName"));
        }
        if !tenant.domains.iter().any(|verified| verified.eq_ignore_ascii_case(domain)) {
            return Err(Fault::invalid_property(
                "userPrincipalName",
                "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain \
                 names in your organization.",
            ));
        }
    }
    if let Some(nickname) = text("mailNickname") {
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"@()\\[]\";:<>,".contains(&byte);
        if !nickname.bytes().all(is_allowed) {
            return Err(invalid(&USER, "mailNickname"));
        }
    }
    if let Some(mail) = text("mail") {
        let is_address = mail.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && domain.contains('.')
                && !domain.contains('@')
                && !mail.contains(char::is_whitespace)
        });
        if !is_address {
            return Err(invalid(&USER, "mail"));
        }
    }
    if text("usageLocation").is_some_and(|country| !country.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Err(invalid(&USER, "usageLocation"));
    }
    match properties.get("passwordProfile") {
        None | Some(Value::Null) => Ok(()),
        Some(profile) => check_password(profile),
    }
}

/// Eight to 256 characters of three kinds.
fn check_password(profile: &Value) -> Result<(), Fault> {
    let Some(password) = profile.get("password") else { return Ok(()) };
    let password = password.as_str().ok_or_else(|| invalid(&USER, "passwordProfile"))?;
    let kinds: [fn(char) -> bool; 4] = [
        |character| character.is_lowercase(),
        |character| character.is_uppercase(),
        |character| character.is_numeric(),
        |character| !character.is_alphanumeric(),
    ];
    let kinds = kinds.into_iter().filter(|kind| password.contains(*kind)).count();
    if (8..=256).contains(&password.chars().count()) && kinds >= 3 {
        return Ok(());
    }
    Err(Fault::invalid_property(
        "passwordProfile",
        "The specified password does not comply with password complexity requirements. Please provide a different \
         password.",
    ))
}

fn conflict(error: StoreError) -> Fault {
    if error.is_conflict() { Fault::value_taken("userPrincipalName") } else { error.into() }
}
