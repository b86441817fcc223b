//! `/servicePrincipals`

use axum::http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::Value;

use super::applications::{own, require_owner};
use super::body::{invalid, merge, properties, require};
use super::collection::{Collection, named};
use super::credentials::{self, SERVICE_PRINCIPALS};
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::SERVICE_PRINCIPAL;
use crate::store::{Object, StoreError, Table, deleted, objects, principals, revocations};

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    collection().list(call)
}

pub(super) fn count(call: &Call<'_>) -> Result<Answer, Fault> {
    collection().count(call)
}

pub(super) fn delta(call: &Call<'_>) -> Result<Answer, Fault> {
    super::delta::answer(call, &collection())
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Fault> {
    let principal = call.directory.store.read(|connection| find(connection, call))?;
    collection().single(call, principal)
}

/// Makes what stands for an application in this tenant: one of its own, or one of another tenant that serves many.
pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut wish = properties(call, &SERVICE_PRINCIPAL)?;
    let keys = wish.remove("keyCredentials");
    require(&wish, &SERVICE_PRINCIPAL, "appId")?;
    let app_id = wish["appId"].as_str().unwrap_or_default().to_ascii_lowercase();
    let application = call
        .directory
        .store
        .application_by_app_id(&app_id)?
        .filter(|application| application.serves(&call.tenant.id));
    let Some(application) = application else {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "NoBackingApplicationObject",
            format!(
                "The appId '{app_id}' of the service principal does not reference a valid application object."
            ),
        ));
    };
    call.directory.store.read(|connection| require_owner(connection, call, &application.object))?;
    let mut document = principals::document(&application, call.directory.entropy.uuid(), call.now);
    wish.remove("appId");
    merge(&mut document, wish);
    document.insert("createdByAppId".into(), call.caller.client_id().as_str().into());
    let principal = Object { seq: 0, document };
    call.directory.store.write(|transaction| {
        let tenant = &call.tenant.id;
        if principals::find(transaction, tenant, "app_id", &app_id)?.is_some() {
            return Err(Fault::new(
                StatusCode::CONFLICT,
                "Request_MultipleObjectsWithSameKeyValue",
                format!(
                    "The service principal cannot be created, updated, or restored because the service principal name \
                     {app_id} is already in use."
                ),
            ));
        }
        let document = &principal.document;
        principals::insert(transaction, tenant, document, application.access_token_version())
            .map_err(conflict)?;
        own(transaction, call, Table::ServicePrincipals, document)?;
        match keys {
            Some(keys) => SERVICE_PRINCIPALS.write_keys(transaction, call, &principal, &keys),
            None => Ok(()),
        }
    })?;
    collection().created(call, principal.document)
}

pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut changes = properties(call, &SERVICE_PRINCIPAL)?;
    let keys = changes.remove("keyCredentials");
    for property in ["accountEnabled", "appRoleAssignmentRequired"] {
        if changes.get(property).is_some_and(Value::is_null) {
            return Err(invalid(&SERVICE_PRINCIPAL, property));
        }
    }
    call.directory.store.write(|transaction| {
        let mut principal = find_writable(transaction, call)?;
        if changes.get("accountEnabled") == Some(&Value::Bool(false)) {
            revocations::revoke(transaction, principal.id(), call.now)?;
        }
        merge(&mut principal.document, changes);
        objects::replace(transaction, Table::ServicePrincipals, &call.tenant.id, &principal.document)?;
        match keys {
            Some(keys) => SERVICE_PRINCIPALS.write_keys(transaction, call, &principal, &keys),
            None => Ok(()),
        }
    })?;
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    call.directory.store.write(|transaction| {
        let principal = find_writable(transaction, call)?;
        deleted::delete(transaction, Table::ServicePrincipals, &call.tenant.id, principal.id(), call.now)?;
        Ok::<_, Fault>(())
    })?;
    Ok(Answer::no_content())
}

/// The service principal that the path names.
pub(super) fn find(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    named(connection, call, 0, Table::ServicePrincipals, &[("appId", "app_id")])
}

/// Brings the service principal of the home tenant in step with its application.
pub(super) fn follow(connection: &Connection, call: &Call<'_>, application: &Object) -> Result<(), Fault> {
    let tenant = &call.tenant.id;
    let app_id = application.text("appId");
    let Some(mut principal) = principals::find(connection, tenant, "app_id", app_id)? else { return Ok(()) };
    principals::copy(application, &mut principal.object.document);
    let version = principals::access_token_version(&application.document);
    principals::replace(connection, tenant, &principal.object.document, version).map_err(conflict)
}

fn collection() -> Collection {
    Collection { complete: Some(credentials::show_of_principal), ..Collection::of(&SERVICE_PRINCIPAL) }
}

/// The same, if the caller may write it.
pub(super) fn find_writable(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let principal = find(connection, call)?;
    require_owner(connection, call, &principal)?;
    Ok(principal)
}

/// The same for a request that reads or writes.
pub(super) fn find_for_write(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    match call.request.method == Method::GET {
        true => find(connection, call),
        false => find_writable(connection, call),
    }
}

fn conflict(error: StoreError) -> Fault {
    if error.is_conflict() { Fault::value_taken("identifierUris") } else { error.into() }
}
