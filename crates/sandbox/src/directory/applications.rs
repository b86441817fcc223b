//! `/applications`

use axum::http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::body::{invalid, merge, properties, require};
use super::collection::{Collection, named};
use super::credentials::{self, APPLICATIONS};
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::APPLICATION;
use super::service_principals;
use crate::store::links::{self, Relation};
use crate::store::{Object, Table, Tenant, deleted, objects, timestamp};

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
    let application = call.directory.store.read(|connection| find(connection, call))?;
    collection().single(call, application)
}

pub(super) fn create(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut document = defaults();
    merge(&mut document, properties(call, &APPLICATION)?);
    require(&document, &APPLICATION, "displayName")?;
    document.insert("id".into(), call.directory.entropy.uuid().into());
    document.insert("appId".into(), call.directory.entropy.uuid().into());
    document.insert("createdByAppId".into(), call.caller.client_id().as_str().into());
    document.insert("createdDateTime".into(), timestamp(call.now).into());
    document.insert("publisherDomain".into(), call.tenant.initial_domain().into());
    check(&document, &[], call.tenant)?;
    let keys = document.remove("keyCredentials");
    let application = Object { seq: 0, document };
    call.directory.store.write(|transaction| {
        let document = &application.document;
        objects::insert(transaction, Table::Applications, &call.tenant.id, document)?;
        own(transaction, call, Table::Applications, document)?;
        match keys {
            Some(keys) => APPLICATIONS.write_keys(transaction, call, &application, &keys),
            None => Ok(()),
        }
    })?;
    collection().created(call, application.document)
}

pub(super) fn update(call: &Call<'_>) -> Result<Answer, Fault> {
    let mut changes = properties(call, &APPLICATION)?;
    let keys = changes.remove("keyCredentials");
    for property in ["displayName", "signInAudience"] {
        if changes.get(property).is_some_and(Value::is_null) {
            return Err(invalid(&APPLICATION, property));
        }
    }
    call.directory.store.write(|transaction| {
        let mut application = find_writable(transaction, call)?;
        let roles_before = roles(&application.document);
        merge(&mut application.document, changes);
        check(&application.document, &roles_before, call.tenant)?;
        objects::replace(transaction, Table::Applications, &call.tenant.id, &application.document)?;
        if let Some(keys) = keys {
            APPLICATIONS.write_keys(transaction, call, &application, &keys)?;
        }
        service_principals::follow(transaction, call, &application)
    })?;
    Ok(Answer::no_content())
}

/// The service principal of the home tenant goes with its application.
pub(super) fn delete(call: &Call<'_>) -> Result<Answer, Fault> {
    let tenant = &call.tenant.id;
    call.directory.store.write(|transaction| {
        let application = find_writable(transaction, call)?;
        let app_id = application.text("appId");
        let principal = objects::find(transaction, Table::ServicePrincipals, tenant, "app_id", app_id)?;
        if let Some(principal) = principal {
            deleted::delete(transaction, Table::ServicePrincipals, tenant, principal.id(), call.now)?;
        }
        deleted::delete(transaction, Table::Applications, tenant, application.id(), call.now)?;
        Ok::<_, Fault>(())
    })?;
    Ok(Answer::no_content())
}

/// The application that the path names.
pub(super) fn find(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    named(connection, call, 0, Table::Applications, &[("appId", "app_id")])
}

/// The same, if the caller may write it.
pub(super) fn find_writable(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    let application = find(connection, call)?;
    require_owner(connection, call, &application)?;
    Ok(application)
}

/// The same for a request that reads or writes.
pub(super) fn find_for_write(connection: &Connection, call: &Call<'_>) -> Result<Object, Fault> {
    match call.request.method == Method::GET {
        true => find(connection, call),
        false => find_writable(connection, call),
    }
}

/// 403 for a caller that may write its own objects only, and does not own this one.
pub(super) fn require_owner(connection: &Connection, call: &Call<'_>, object: &Object) -> Result<(), Fault> {
    if !call.own_objects_only {
        return Ok(());
    }
    let caller = call.caller.object_id().unwrap_or_default();
    match links::exists(connection, Relation::Owners, object.id(), caller)? {
        true => Ok(()),
        false => Err(Fault::denied()),
    }
}

/// Makes a caller that may write its own objects only the owner of what it made.
pub(super) fn own(
    connection: &Connection,
    call: &Call<'_>,
    table: Table,
    document: &Map<String, Value>,
) -> Result<(), Fault> {
    if !call.own_objects_only {
        return Ok(());
    }
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
    let caller = call.caller.object_id().unwrap_or_default();
    let owner = (Table::ServicePrincipals, caller);
    links::add(connection, &call.tenant.id, Relation::Owners, (table, id), owner)?;
    Ok(())
}

fn collection() -> Collection {
    Collection { complete: Some(credentials::show_of_application), ..Collection::of(&APPLICATION) }
}

fn defaults() -> Map<String, Value> {
    let properties = [
        ("signInAudience", json!("AzureADMyOrg")),
        ("identifierUris", json!([])),
        ("tags", json!([])),
        ("appRoles", json!([])),
        ("requiredResourceAccess", json!([])),
        (
            "api",
            json!({
                "acceptMappedClaims": null, "knownClientApplications": [], "oauth2PermissionScopes": [],
                "preAuthorizedApplications": [], "requestedAccessTokenVersion": null,
            }),
        ),
    ];
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn check(
    document: &Map<String, Value>,
    roles_before: &[(String, bool)],
    tenant: &Tenant,
) -> Result<(), Fault> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    if !AUDIENCES.contains(&text("signInAudience")) {
        return Err(invalid(&APPLICATION, "signInAudience"));
    }
    let version = document.get("api").and_then(|api| api.get("requestedAccessTokenVersion"));
    if !version.is_none_or(|version| version.is_null() || *version == 1 || *version == 2) {
        return Err(invalid(&APPLICATION, "api"));
    }
    check_roles(document)?;
    let roles_now = roles(document);
    let is_gone = |(id, is_enabled): &&(String, bool)| {
        *is_enabled && !roles_now.iter().any(|(now, _)| now.eq_ignore_ascii_case(id))
    };
    if roles_before.iter().find(is_gone).is_some() {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "CannotDeleteOrUpdateEnabledEntitlement",
            "Permission (scope or role) cannot be deleted or updated unless disabled first.",
        ));
    }
    let uris = document.get("identifierUris").and_then(Value::as_array).into_iter().flatten();
    for uri in uris.filter_map(Value::as_str) {
        if !is_own_uri(uri, text("appId"), tenant) {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "HostNameNotOnVerifiedDomain",
                format!(
                    "Values of identifierUris property must use a verified domain of the organization or its subdomain: \
                     '{uri}'"
                ),
            ));
        }
    }
    Ok(())
}

const AUDIENCES: [&str; 4] =
    ["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];

/// Roles have ids that occur once, values that occur once, and say who may hold them.
fn check_roles(document: &Map<String, Value>) -> Result<(), Fault> {
    let mut seen: Vec<String> = Vec::new();
    for role in document.get("appRoles").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| role.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let kinds = role.get("allowedMemberTypes").and_then(Value::as_array);
        let is_kind = |kind: &Value| kind == "Application" || kind == "User";
        let is_whole = text("id").is_some_and(|id| uuid::Uuid::try_parse(id).is_ok_and(|id| !id.is_nil()))
            && text("displayName").is_some()
            && text("description").is_some()
            && kinds.is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(is_kind))
            && role.get("isEnabled").is_none_or(Value::is_boolean)
            && text("value").is_none_or(|value| !value.contains(char::is_whitespace) && value.len() <= 120);
        let names = [text("id").map(str::to_ascii_lowercase), text("value").map(str::to_owned)];
        for name in names.into_iter().flatten() {
            if seen.contains(&name) {
                return Err(invalid(&APPLICATION, "appRoles"));
            }
            seen.push(name);
        }
        if !is_whole {
            return Err(invalid(&APPLICATION, "appRoles"));
        }
    }
    Ok(())
}

/// Id of every role and whether it is enabled.
fn roles(document: &Map<String, Value>) -> Vec<(String, bool)> {
    let roles = document.get("appRoles").and_then(Value::as_array).into_iter().flatten();
    roles
        .filter_map(|role| {
            let is_enabled = role.get("isEnabled").and_then(Value::as_bool).unwrap_or(false);
            Some((role.get("id")?.as_str()?.to_owned(), is_enabled))
        })
        .collect()
}

/// Whether a URI is under the application's id, the tenant's id or a verified domain.
fn is_own_uri(uri: &str, app_id: &str, tenant: &Tenant) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let is_domain = tenant.domains.iter().any(|domain| {
        let domain = domain.to_ascii_lowercase();
        host == domain || host.ends_with(&format!(".{domain}"))
    });
    match scheme {
        "api" => host == app_id || host == tenant.id || is_domain,
        "https" | "http" => is_domain,
        _ => false,
    }
}
