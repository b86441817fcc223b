//! Directory objects as documents: insert, find, replace, delete.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::changes::{self, Removal};
use super::{StoreError, layout, links};

/// Where objects of one type live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Table {
    AppRoleAssignments,
    Applications,
    DeletedObjects,
    Groups,
    PermissionGrants,
    ServicePrincipals,
    Users,
}

impl Table {
    /// The name of the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AppRoleAssignments => "app_role_assignments",
            Self::Applications => "applications",
            Self::DeletedObjects => "deleted_objects",
            Self::Groups => "groups",
            Self::PermissionGrants => "permission_grants",
            Self::ServicePrincipals => "service_principals",
            Self::Users => "users",
        }
    }

    /// The table of directory objects with that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Applications, Self::Groups, Self::ServicePrincipals, Self::Users]
            .into_iter()
            .find(|table| table.name() == name)
    }

    /// Whether it holds directory objects: delta queries tell what changes in it, and its objects have links.
    fn is_tracked(self) -> bool {
        Self::from_name(self.name()).is_some()
    }
}

/// One object and its place in the order of creation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) seq: i64,
    pub(crate) document: Map<String, Value>,
}

impl Object {
    /// The object's id, a GUID.
    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    /// A property that is a string; empty when it is missing.
    pub(crate) fn text(&self, property: &str) -> &str {
        self.document.get(property).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Adds an object; a unique value that is taken is a conflict.
pub(crate) fn insert(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    load(connection, table, tenant, document)?;
    match table.is_tracked() {
        true => changes::appeared(connection, tenant, table, id_of(document)),
        false => Ok(()),
    }
}

/// Adds an object that was there before anyone could ask what changed.
pub(super) fn load(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    load_text(connection, table, tenant, id_of(document), &layout::text(table, document)?)
}

/// The same with a document that is text already, in its [layout].
pub(super) fn load_text(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
    document: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO {} (tenant_id, id, document) VALUES (?1, ?2, ?3)",
            table.name()
        ))?
        .execute(params![tenant, id, document])?;
    Ok(())
}

/// Writes the document of an object that exists; a unique value that is taken is a conflict.
pub(crate) fn replace(
    connection: &Connection,
    table: Table,
    tenant: &str,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    let id = id_of(document);
    let Some(before) = find(connection, table, tenant, "id", id)? else { return Ok(()) };
    let before = before.document;
    let names = before.keys().chain(document.keys().filter(|name| !before.contains_key(*name)));
    let differing: Vec<&str> =
        names.filter(|name| before.get(*name) != document.get(*name)).map(String::as_str).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let text = layout::text(table, document)?;
    connection
        .prepare_cached(&format!(
            "UPDATE {} SET document = ?3 WHERE tenant_id = ?1 AND id = ?2",
            table.name()
        ))?
        .execute(params![tenant, id, text])?;
    match table.is_tracked() {
        true => changes::touched(connection, tenant, table, id, &differing),
        false => Ok(()),
    }
}

/// Removes an object for good, with everything that hangs on it; whether there was one.
pub(crate) fn delete(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
) -> Result<bool, StoreError> {
    remove(connection, table, tenant, id, Removal::Permanent)
}

/// Removes an object with everything that hangs on it; whether there was one.
pub(super) fn remove(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
    removal: Removal,
) -> Result<bool, StoreError> {
    let sql = format!("DELETE FROM {} WHERE tenant_id = ?1 AND id = ?2", table.name());
    let is_gone = connection.prepare_cached(&sql)?.execute(params![tenant, id])? > 0;
    if is_gone && table == Table::Users {
        // No foreign key: the index that it would need is not there while people move in.
        connection.prepare_cached("DELETE FROM permission_grants WHERE principal_id = ?1")?.execute([id])?;
    }
    if is_gone && table.is_tracked() {
        links::remove_all(connection, tenant, table, id)?;
        changes::removed(connection, tenant, table, id, removal)?;
    }
    Ok(is_gone)
}

/// Finds an object by the value of a column that is unique (`id`, `app_id`, `user_principal_name`).
pub(crate) fn find(
    connection: &Connection,
    table: Table,
    tenant: &str,
    column: &'static str,
    value: &str,
) -> Result<Option<Object>, StoreError> {
    let sql = format!("SELECT seq, document FROM {} WHERE tenant_id = ?1 AND {column} = ?2", table.name());
    let found = connection.prepare_cached(&sql)?.query_row(params![tenant, value], read_row).optional()?;
    found.map(parse).transpose()
}

fn id_of(document: &Map<String, Value>) -> &str {
    document.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// An object from its text. Nulls in it are there to be copied, not to be known of, and so is where its members end.
pub(super) fn parse((seq, text): (i64, impl AsRef<[u8]>)) -> Result<Object, StoreError> {
    let mut document: Map<String, Value> = serde_json::from_slice(text.as_ref())?;
    document.retain(|name, value| !value.is_null() && name != layout::ENDS);
    Ok(Object { seq, document })
}
