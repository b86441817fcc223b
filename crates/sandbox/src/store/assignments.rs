//! App role assignments: which client holds which role of which resource.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use unattended_core::Entropy;

use super::{ServicePrincipal, StoreError, Table, objects, timestamp};

/// The assignment of a role of `resource` to `client`, with a new id.
pub(crate) fn document(
    client: &ServicePrincipal,
    resource: &ServicePrincipal,
    app_role_id: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Map<String, Value> {
    let properties = [
        ("id", json!(new_id(entropy))),
        ("appRoleId", json!(app_role_id.to_ascii_lowercase())),
        ("createdDateTime", json!(timestamp(now))),
        ("principalDisplayName", json!(client.display_name())),
        ("principalId", json!(client.id())),
        ("principalType", json!("ServicePrincipal")),
        ("resourceDisplayName", json!(resource.display_name())),
        ("resourceId", json!(resource.id())),
    ];
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gives a role of `resource` to `client`, of the same tenant; a role that it holds already is a conflict.
pub(crate) fn grant(
    connection: &Connection,
    client: &ServicePrincipal,
    resource: &ServicePrincipal,
    app_role_id: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<Map<String, Value>, StoreError> {
    let document = document(client, resource, app_role_id, now, entropy);
    objects::insert(connection, Table::AppRoleAssignments, &client.tenant_id, &document)?;
    Ok(document)
}

/// The ids of the roles of a resource that a client holds; with a time (Unix seconds), those assigned until then.
pub(crate) fn roles_of(
    connection: &Connection,
    client: &str,
    resource: &str,
    until: Option<i64>,
) -> Result<Vec<String>, StoreError> {
    // Both times are in UTC and in one form, so that their texts are in the order of the times.
    let mut statement = connection.prepare_cached(
        "SELECT app_role_id FROM app_role_assignments WHERE principal_id = ?1 AND resource_id = ?2
         AND (?3 IS NULL OR document ->> '$.createdDateTime' <= ?3)",
    )?;
    let rows = statement.query_map((client, resource, until.map(timestamp)), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// An id in the form the directory gives them: 43 characters that say nothing.
pub(crate) fn new_id(entropy: &dyn Entropy) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &entropy.bits().to_be_bytes()))
}
