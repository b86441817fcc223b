//! `/groups`

use axum::http::Method;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::body::{invalid, merge, properties, require};
use super::collection::{Collection, named};
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::navigation::{GROUP_MEMBERS, GROUP_OWNERS, bound};
use super::schema::GROUP;
use crate::store::{Object, Table, deleted, objects, timestamp};

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    Collection::of(&GROUP).list(call)
}

pub(super) fn count(call: &Call<'_>) -> Result<Answer, Fault> {
    Collection::of(&GROUP).count(call)
}

pub(super) fn delta(call: &Call<'_>) -> Result<Answer, Fault> {
    super::delta::answer(call, &Collection::of(&GROUP))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let group = call.directory.store.read(|connection| find(connection, call))?;
    Collection::of(&GROUP).single(call, group)
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let (members, owners) = references(call)?;
    let mut document = properties(call, &GROUP)?;
    for property in REQUIRED {
        require(&document, &GROUP, property)?;
    }
    document.retain(|_, value| !value.is_null());
    check(call, &document)?;
    document.insert("id".into(), call.directory.entropy.uuid().into());
    document.insert("createdDateTime".into(), timestamp(call.now).into());
    document.entry("groupTypes").or_insert_with(|| json!([]));
    if document["mailEnabled"] == true {
        let mail = format!("{}@{}", text(&document, "mailNickname"), call.tenant.initial_domain());
        document.insert("proxyAddresses".into(), json!([format!("SMTP:{mail}")]));
        document.insert("mail".into(), mail.into());
    }
    let group = Object { seq: 0, document };
    call.directory.store.write(|transaction| {
        objects::insert(transaction, Table::Groups, &call.tenant.id, &group.document)?;
        GROUP_OWNERS.link(transaction, call, &group, &owners)?;
        GROUP_MEMBERS.link(transaction, call, &group, &members)
    })?;
    Collection::of(&GROUP).created(call, group.document)
}

/// Changes properties, and adds the members and owners that it names: all or nothing.
pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let (members, owners) = references(call)?;
    let changes = properties(call, &GROUP)?;
    if let Some(name) = REQUIRED.into_iter().find(|name| changes.get(*name).is_some_and(Value::is_null)) {
        return Err(invalid(&GROUP, name));
    }
    call.directory.store.write(|transaction| {
        let mut group = find(transaction, call)?;
        merge(&mut group.document, changes);
        check(call, &group.document)?;
        objects::replace(transaction, Table::Groups, &call.tenant.id, &group.document)?;
        GROUP_OWNERS.link(transaction, call, &group, &owners)?;
        GROUP_MEMBERS.link(transaction, call, &group, &members)
    })?;
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let group = find(transaction, call)?;
        deleted::delete(transaction, Table::Groups, &call.tenant.id, group.id(), call.now)?;
        Ok::<_, Fault>(())
    })?;
    Ok(Answer::no_content())
}

/// The group that the path names. Groups that roles can be assigned to are written by who manages roles.
pub(super) fn find(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let group = named(connection, call, 0, Table::Groups, &[])?;
    let is_write = call.request.method != Method::GET;
    if is_write && group.document.get("isAssignableToRole") == Some(&json!(true)) {
        require_role_management(call)?;
    }
    Ok(group)
}

/// What a group cannot be without.
const REQUIRED: [&str; 4] = ["displayName", "mailEnabled", "mailNickname", "securityEnabled"];

fn references(call: &Call<'_>) -> Result<(Vec<String>, Vec<String>), Fault> {
    let body = call.json()?;
    Ok((bound(&body, "members@odata.bind")?, bound(&body, "owners@odata.bind")?))
}

fn check(call: &Call<'_>, document: &Map<String, Value>) -> Result<(), Fault> {
    let nickname = text(document, "mailNickname");
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"@()\\[]\";:<>,".contains(&byte);
    if !nickname.bytes().all(is_allowed) {
        return Err(invalid(&GROUP, "mailNickname"));
    }
    let types = document.get("groupTypes").and_then(Value::as_array).into_iter().flatten();
    let mut is_unified = false;
    for kind in types {
        match kind.as_str() {
            Some("Unified") => is_unified = true,
            Some("DynamicMembership") => {}
            _ => return Err(invalid(&GROUP, "groupTypes")),
        }
    }
    let is = |name: &str| document.get(name) == Some(&json!(true));
    // Mail without Unified is a distribution list, which this API cannot make; neither of both is no group.
    if is("mailEnabled") != is_unified || !(is("mailEnabled") || is("securityEnabled")) {
        return Err(invalid(&GROUP, if is_unified { "mailEnabled" } else { "securityEnabled" }));
    }
    if is("isAssignableToRole") {
        require_role_management(call)?;
    }
    Ok(())
}

fn require_role_management(call: &Call<'_>) -> Result<(), Fault> {
    match call.caller.has_role("RoleManagement.ReadWrite.Directory") {
        true => Ok(()),
        false => Err(Fault::denied()),
    }
}

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or_default()
}
