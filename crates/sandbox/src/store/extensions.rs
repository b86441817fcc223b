//! Extension properties: what applications add to the properties of users and groups.

use rusqlite::{Connection, Row, params};

use super::StoreError;

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
    let mut statement = connection.prepare_cached(
        "SELECT id, name, data_type, is_multi_valued, targets FROM extension_properties
         WHERE application_id = ?1 ORDER BY name",
    )?;
    let rows = statement.query_map([application], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(with_targets).collect()
}

/// All that the objects of a type have in a tenant.
pub(crate) fn of_target(
    connection: &Connection,
    tenant: &str,
    target: &str,
) -> Result<Vec<ExtensionProperty>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, data_type, is_multi_valued, targets FROM extension_properties
         WHERE tenant_id = ?1 AND EXISTS (SELECT 1 FROM json_each(targets) AS target WHERE target.value = ?2)",
    )?;
    let rows = statement.query_map([tenant, target], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(with_targets).collect()
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

/// The definition without its targets, and these as JSON.
fn read(row: &Row<'_>) -> rusqlite::Result<(ExtensionProperty, String)> {
    let property = ExtensionProperty {
        id: row.get(0)?,
        name: row.get(1)?,
        data_type: row.get(2)?,
        is_multi_valued: row.get(3)?,
        targets: Vec::new(),
    };
    Ok((property, row.get(4)?))
}

fn with_targets((property, targets): (ExtensionProperty, String)) -> Result<ExtensionProperty, StoreError> {
    Ok(ExtensionProperty { targets: serde_json::from_str(&targets)?, ..property })
}
