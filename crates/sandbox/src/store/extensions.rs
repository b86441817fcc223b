//! Extension properties: what applications add to the properties of users and groups.

use std::sync::Arc;

use rusqlite::{Connection, params, params_from_iter};

use super::{Store, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS extension_properties (
    id              TEXT PRIMARY KEY COLLATE NOCASE,
    tenant_id       TEXT NOT NULL REFERENCES tenants (id),
    application_id  TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name            TEXT NOT NULL COLLATE NOCASE,
    data_type       TEXT NOT NULL,
    is_multi_valued INTEGER NOT NULL,
    targets         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS extension_properties_by_name ON extension_properties (tenant_id, name);
CREATE INDEX IF NOT EXISTS extension_properties_by_application ON extension_properties (application_id);
";

/// The definition of one extension property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ExtensionProperty {
    /// GUID.
    pub(crate) id: String,
    /// As objects have it: `extension_`, the application's id without dashes, `_` and what the application calls it.
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) is_multi_valued: bool,
    /// The types of object that have it, such as `User`.
    pub(crate) targets: Vec<String>,
}

/// All of an application's (by object id), by name.
pub(crate) fn list(connection: &Connection, application: &str) -> Result<Vec<ExtensionProperty>, StoreError> {
    Ok(chosen(connection, "application_id = ?1", &[application])?.into_iter().map(|(_, it)| it).collect())
}

impl Store {
    /// All that the objects of a type have in a tenant.
    pub(crate) fn extension_properties(
        &self,
        tenant: &str,
        target: &str,
    ) -> Result<Arc<[ExtensionProperty]>, StoreError> {
        let found =
            self.caches.extensions.get_or_read(self, [tenant.to_owned(), target.to_owned()], || {
                self.read(|connection| {
                    Ok::<_, StoreError>(Some(of_target(connection, tenant, target)?.into()))
                })
            })?;
        Ok(found.unwrap_or_default())
    }
}

fn of_target(
    connection: &Connection,
    tenant: &str,
    target: &str,
) -> Result<Vec<ExtensionProperty>, StoreError> {
    let condition =
        "tenant_id = ?1 AND EXISTS (SELECT 1 FROM json_each(targets) AS target WHERE target.value = ?2)";
    Ok(chosen(connection, condition, &[tenant, target])?.into_iter().map(|(_, it)| it).collect())
}

/// All of a tenant, by name, each with the object id of its application.
pub(crate) fn of_tenant(
    connection: &Connection,
    tenant: &str,
) -> Result<Vec<(String, ExtensionProperty)>, StoreError> {
    chosen(connection, "tenant_id = ?1", &[tenant])
}

/// Adds one; a name that the tenant has is a conflict.
pub(crate) fn insert(
    connection: &Connection,
    tenant: &str,
    application: &str,
    property: &ExtensionProperty,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO extension_properties VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            property.id,
            tenant,
            application,
            property.name,
            property.data_type,
            property.is_multi_valued,
            serde_json::to_string(&property.targets)?,
        ])?;
    Ok(())
}

/// Removes one by id; whether the application had it. What objects hold of it stays in them, unseen.
pub(crate) fn delete(connection: &Connection, application: &str, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM extension_properties WHERE application_id = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute([application, id])? > 0)
}

/// The definitions for which a condition holds, by name, each after the object id of its application.
fn chosen(
    connection: &Connection,
    condition: &str,
    parameters: &[&str],
) -> Result<Vec<(String, ExtensionProperty)>, StoreError> {
    let sql = format!(
        "SELECT application_id, id, name, data_type, is_multi_valued, targets FROM extension_properties
         WHERE {condition} ORDER BY name"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let property = ExtensionProperty {
            id: row.get(1)?,
            name: row.get(2)?,
            data_type: row.get(3)?,
            is_multi_valued: row.get(4)?,
            targets: serde_json::from_str(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
        };
        found.push((row.get(0)?, property));
    }
    Ok(found)
}
