//! `/oauth2PermissionGrants`: delegated permissions that were consented to. No user signs in to the sandbox, so that they
//! are a record which programs read and write, and nothing that a token says.

use axum::http::StatusCode;
use rusqlite::Connection;
use serde_json::Value;

use super::body::{invalid, merge, properties, require};
use super::collection::Collection;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::PERMISSION_GRANT;
use super::service_principals;
use crate::store::{Condition, Object, StoreError, Table, assignments, objects};

/// For every user, or for one.
const FOR_ALL: &str = "AllPrincipals";
const FOR_ONE: &str = "Principal";

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    Collection::of(&PERMISSION_GRANT).list(call)
}

/// Those of the service principal that the path names.
pub(super) fn list_of_client(call: &Call<'_>) -> Result<Answer, Fault> {
    let client = call.directory.store.read(|connection| service_principals::find(connection, call))?;
    let collection = Collection {
        path: format!("servicePrincipals/{}/oauth2PermissionGrants", client.id()),
        within: Some(Condition::equal("client_id", client.id())),
        ..Collection::of(&PERMISSION_GRANT)
    };
    collection.list(call)
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let grant = call.directory.store.read(|connection| find(connection, call))?;
    Collection::of(&PERMISSION_GRANT).single(call, grant)
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut document = properties(call, &PERMISSION_GRANT)?;
    for property in ["clientId", "consentType", "resourceId", "scope"] {
        require(&document, &PERMISSION_GRANT, property)?;
    }
    document.retain(|_, value| !value.is_null());
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    // A consent for one names the one, a consent for all nobody.
    match (text("consentType"), document.contains_key("principalId")) {
        (FOR_ALL, false) | (FOR_ONE, true) => {}
        (FOR_ALL | FOR_ONE, _) => return Err(invalid(&PERMISSION_GRANT, "principalId")),
        _ => return Err(invalid(&PERMISSION_GRANT, "consentType")),
    }
    let ends = [
        ("clientId", Table::ServicePrincipals),
        ("resourceId", Table::ServicePrincipals),
        ("principalId", Table::Users),
    ];
    let ids = ends.map(|(name, _)| text(name).to_ascii_lowercase());
    for ((name, _), id) in ends.into_iter().zip(&ids).filter(|(_, id)| !id.is_empty()) {
        document.insert(name.into(), id.as_str().into());
    }
    document.insert("id".into(), assignments::new_id(&*call.directory.entropy).into());
    call.directory.store.write(|transaction| {
        for ((_, table), id) in ends.into_iter().zip(&ids).filter(|(_, id)| !id.is_empty()) {
            let found = objects::find(transaction, table, &call.tenant.id, "id", id)?;
            found.ok_or_else(|| Fault::not_found(id))?;
        }
        objects::insert(transaction, Table::PermissionGrants, &call.tenant.id, &document).map_err(conflict)
    })?;
    Collection::of(&PERMISSION_GRANT).created(call, document)
}

/// Changes what is granted.
pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let changes = properties(call, &PERMISSION_GRANT)?;
    if changes.get("scope").is_some_and(Value::is_null) {
        return Err(invalid(&PERMISSION_GRANT, "scope"));
    }
    call.directory.store.write(|transaction| {
        let mut grant = find(transaction, call)?;
        merge(&mut grant.document, changes);
        Ok::<_, Fault>(objects::replace(
            transaction,
            Table::PermissionGrants,
            &call.tenant.id,
            &grant.document,
        )?)
    })?;
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let grant = find(transaction, call)?;
        objects::delete(transaction, Table::PermissionGrants, &call.tenant.id, grant.id())?;
        Ok(Answer::no_content())
    })
}

fn find(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let key = call.key(0);
    let found = match &key.property {
        // An id is as it was given out: its case counts.
        None => objects::find(connection, Table::PermissionGrants, &call.tenant.id, "id", &key.value)?,
        Some(_) => None,
    };
    found.ok_or_else(|| Fault::not_found(&key.value))
}

fn conflict(error: StoreError) -> Fault {
    if !error.is_conflict() {
        return error.into();
    }
    let message = "Permission entry already exists.";
    Fault::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message)
}
