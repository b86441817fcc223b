//! App role assignments: which client holds which role of which resource.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rusqlite::{Connection, OptionalExtension, Row, params};
use unattended_core::Entropy;

use super::StoreError;

/// One application permission given to one client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) principal_id: String,
    pub(crate) resource_id: String,
    pub(crate) app_role_id: String,
    pub(crate) created_at: i64,
}

/// An id in the form the directory gives them: 43 characters that say nothing.
pub(crate) fn new_id(entropy: &dyn Entropy) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &entropy.bits().to_be_bytes()))
}

/// Adds an assignment; the same one again is a conflict. Its `seq` is given by the database.
pub(crate) fn insert(
    connection: &Connection,
    tenant: &str,
    assignment: &Assignment,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO app_role_assignments
             (tenant_id, id, principal_id, resource_id, app_role_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            tenant,
            assignment.id,
            assignment.principal_id,
            assignment.resource_id,
            assignment.app_role_id,
            assignment.created_at
        ])?;
    Ok(())
}

/// Assignments of (`principal_id`) or on (`resource_id`) a service principal, oldest first, after a place in that
/// order.
pub(crate) fn page(
    connection: &Connection,
    tenant: &str,
    side: &'static str,
    service_principal: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<Assignment>, StoreError> {
    let sql = format!(
        "SELECT seq, id, principal_id, resource_id, app_role_id, created_at FROM app_role_assignments
         WHERE tenant_id = ?1 AND {side} = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![tenant, service_principal, after, limit], read_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Finds one assignment.
pub(crate) fn find(
    connection: &Connection,
    tenant: &str,
    id: &str,
) -> Result<Option<Assignment>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT seq, id, principal_id, resource_id, app_role_id, created_at FROM app_role_assignments
             WHERE tenant_id = ?1 AND id = ?2",
        )?
        .query_row(params![tenant, id], read_row)
        .optional()?)
}

/// Removes one assignment.
pub(crate) fn delete(connection: &Connection, tenant: &str, id: &str) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM app_role_assignments WHERE tenant_id = ?1 AND id = ?2", params![tenant, id])?;
    Ok(())
}

/// The ids of the roles of a resource that a client holds.
pub(super) fn roles_of(
    connection: &Connection,
    client: &str,
    resource: &str,
) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT app_role_id FROM app_role_assignments WHERE principal_id = ?1 AND resource_id = ?2",
    )?;
    let rows = statement.query_map(params![client, resource], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Assignment> {
    Ok(Assignment {
        seq: row.get(0)?,
        id: row.get(1)?,
        principal_id: row.get(2)?,
        resource_id: row.get(3)?,
        app_role_id: row.get(4)?,
        created_at: row.get(5)?,
    })
}
