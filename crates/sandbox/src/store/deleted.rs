//! Objects that were deleted and can be restored, with everything that hung on them.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::changes::{self, Removal};
use super::links::{self, Relation};
use super::{Object, StoreError, Table, assignments, objects, principals, revocations, timestamp};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS deleted_objects (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    deleted_at   INTEGER NOT NULL,
    document     TEXT NOT NULL,
    attachments  TEXT NOT NULL,
    user_principal_name TEXT COLLATE NOCASE AS (document ->> '$.userPrincipalName'),
    app_id       TEXT COLLATE NOCASE AS (document ->> '$.appId'),
    display_name TEXT COLLATE NOCASE AS (document ->> '$.displayName'),
    mail         TEXT COLLATE NOCASE AS (document ->> '$.mail')
) STRICT;
CREATE INDEX IF NOT EXISTS deleted_objects_by_kind ON deleted_objects (tenant_id, kind);
CREATE INDEX IF NOT EXISTS deleted_objects_by_time ON deleted_objects (deleted_at);
";

/// How long a deleted object can be restored, in seconds: 30 days.
pub(crate) const LIFE: i64 = 30 * 86_400;

/// What hung on an object.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Attachments {
    rows: Vec<Attachment>,
    assignments: Vec<Map<String, Value>>,
    links: Vec<Link>,
    access_token_version: Option<u8>,
}

/// A row of a table of credentials.
#[derive(Debug, Deserialize, Serialize)]
struct Attachment {
    table: String,
    columns: Vec<(String, Cell)>,
}

/// A value of the database as JSON.
#[derive(Debug, Deserialize, Serialize)]
enum Cell {
    Blob(String),
    Integer(i64),
    Null,
    Text(String),
}

#[derive(Debug, Deserialize, Serialize)]
struct Link {
    relation: String,
    source: (String, String),
    target: (String, String),
}

/// Moves an object among the deleted ones; whether there was one.
pub(crate) fn delete(
    connection: &Connection,
    table: Table,
    tenant: &str,
    id: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let Some(object) = objects::find(connection, table, tenant, "id", id)? else { return Ok(false) };
    let attachments = serde_json::to_string(&Attachments::of(connection, table, tenant, id)?)?;
    let mut document = object.document;
    document.insert("deletedDateTime".into(), timestamp(now).into());
    connection
        .prepare_cached(
            "INSERT INTO deleted_objects (tenant_id, id, kind, deleted_at, document, attachments)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![tenant, id, table.name(), now, serde_json::to_string(&document)?, attachments])?;
    if table == Table::ServicePrincipals {
        revocations::revoke(connection, id, now)?;
    }
    objects::remove(connection, table, tenant, id, Removal::Soft)
}

/// A deleted object and where it came from.
pub(crate) fn find(
    connection: &Connection,
    tenant: &str,
    id: &str,
) -> Result<Option<(Table, Object)>, StoreError> {
    let Some(object) = objects::find(connection, Table::DeletedObjects, tenant, "id", id)? else {
        return Ok(None);
    };
    let kind: String = connection
        .prepare_cached("SELECT kind FROM deleted_objects WHERE seq = ?1")?
        .query_row([object.seq], |row| row.get(0))?;
    let table = Table::from_name(&kind)
        .ok_or_else(|| StoreError::corrupt("a deleted object is of an unknown kind"))?;
    Ok(Some((table, object)))
}

/// The id of a deleted service principal of an application.
pub(crate) fn principal_of(
    connection: &Connection,
    tenant: &str,
    app_id: &str,
) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT id FROM deleted_objects
             WHERE tenant_id = ?1 AND kind = 'service_principals' AND app_id = ?2 ORDER BY seq DESC",
        )?
        .query_row([tenant, app_id], |row| row.get(0))
        .optional()?)
}

/// Brings an object back with what hung on it, as far as the other ends are still there; nothing if it is not among
/// the deleted ones. A unique value that was taken since is a conflict.
pub(crate) fn restore(connection: &Connection, tenant: &str, id: &str) -> Result<Option<Object>, StoreError> {
    let Some((table, mut object)) = find(connection, tenant, id)? else { return Ok(None) };
    let attachments: String = connection
        .prepare_cached("DELETE FROM deleted_objects WHERE seq = ?1 RETURNING attachments")?
        .query_row([object.seq], |row| row.get(0))?;
    let attachments: Attachments = serde_json::from_str(&attachments)?;
    object.document.remove("deletedDateTime");
    match table {
        Table::ServicePrincipals => {
            let version = attachments.access_token_version;
            principals::insert(connection, tenant, &object.document, version)?;
        }
        _ => objects::insert(connection, table, tenant, &object.document)?,
    }
    attachments.put_back(connection, tenant)?;
    Ok(Some(object))
}

/// Removes a deleted object for good; whether there was one.
pub(crate) fn purge(connection: &Connection, tenant: &str, id: &str) -> Result<bool, StoreError> {
    let kind: Option<String> = connection
        .prepare_cached("DELETE FROM deleted_objects WHERE tenant_id = ?1 AND id = ?2 RETURNING kind")?
        .query_row([tenant, id], |row| row.get(0))
        .optional()?;
    let Some(table) = kind.as_deref().and_then(Table::from_name) else { return Ok(false) };
    changes::removed(connection, tenant, table, id, Removal::Permanent)?;
    Ok(true)
}

/// Removes what was deleted too long ago.
pub(crate) fn purge_expired(connection: &Connection, now: i64) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT tenant_id, id FROM deleted_objects WHERE deleted_at <= ?1")?;
    let expired: Vec<(String, String)> =
        statement.query_map([now - LIFE], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (tenant, id) in expired {
        purge(connection, &tenant, &id)?;
    }
    Ok(())
}

impl Attachments {
    fn of(connection: &Connection, table: Table, tenant: &str, id: &str) -> Result<Self, StoreError> {
        let mut attachments = Self { links: links_of(connection, id)?, ..Self::default() };
        match table {
            Table::Applications => {
                attachments.add_rows(connection, &APPLICATION_TABLES, "application_id", id)?;
            }
            Table::ServicePrincipals => {
                attachments.add_rows(connection, &PRINCIPAL_TABLES, "principal_id", id)?;
                let principal = principals::find(connection, tenant, "id", id)?;
                attachments.access_token_version = principal.and_then(|it| it.access_token_version);
            }
            _ => {}
        }
        let mut statement = connection.prepare_cached(
            "SELECT document FROM app_role_assignments WHERE principal_id = ?1 OR resource_id = ?1",
        )?;
        let documents = statement.query_map([id], |row| row.get::<_, String>(0))?;
        for document in documents {
            attachments.assignments.push(serde_json::from_str(&document?)?);
        }
        Ok(attachments)
    }

    fn add_rows(
        &mut self,
        connection: &Connection,
        tables: &[&str],
        column: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        for table in tables {
            self.rows.extend(rows(connection, table, column, id)?);
        }
        Ok(())
    }

    fn put_back(&self, connection: &Connection, tenant: &str) -> Result<(), StoreError> {
        for row in &self.rows {
            row.put_back(connection)?;
        }
        let is_there = |table: Table, id: &str| {
            objects::find(connection, table, tenant, "id", id).map(|found| found.is_some())
        };
        for assignment in &self.assignments {
            let end = |name: &str| assignment.get(name).and_then(Value::as_str).unwrap_or_default();
            let Some(principals) = assignments::table_of(end("principalType")) else { continue };
            let (principal, resource) = (end("principalId"), end("resourceId"));
            if is_there(principals, principal)? && is_there(Table::ServicePrincipals, resource)? {
                objects::insert(connection, Table::AppRoleAssignments, tenant, assignment)?;
            }
        }
        for link in &self.links {
            let tables = Table::from_name(&link.source.0).zip(Table::from_name(&link.target.0));
            let (Some((source, target)), Some(relation)) = (tables, Relation::from_name(&link.relation))
            else {
                continue;
            };
            if is_there(source, &link.source.1)? && is_there(target, &link.target.1)? {
                let ends = ((source, link.source.1.as_str()), (target, link.target.1.as_str()));
                links::add(connection, tenant, relation, ends.0, ends.1)?;
            }
        }
        Ok(())
    }
}

/// The tables whose rows belong to an application.
const APPLICATION_TABLES: [&str; 5] = [
    "password_credentials",
    "key_credentials",
    "federated_credentials",
    "trusted_subjects",
    "extension_properties",
];

/// Those whose rows belong to a service principal.
const PRINCIPAL_TABLES: [&str; 3] =
    ["principal_password_credentials", "principal_key_credentials", "managed_identities"];

fn rows(connection: &Connection, table: &str, column: &str, id: &str) -> Result<Vec<Attachment>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT * FROM {table} WHERE {column} = ?1"))?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([id])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut columns = Vec::new();
        for (index, name) in names.iter().enumerate() {
            columns.push((name.clone(), Cell::of(row.get_ref(index)?)));
        }
        rows.push(Attachment { table: table.to_owned(), columns });
    }
    Ok(rows)
}

fn links_of(connection: &Connection, id: &str) -> Result<Vec<Link>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT relation, source_kind, source_id, target_kind, target_id FROM links
         WHERE source_id = ?1 OR target_id = ?1 ORDER BY seq",
    )?;
    let found = statement.query_map([id], |row| {
        Ok(Link {
            relation: row.get(0)?,
            source: (row.get(1)?, row.get(2)?),
            target: (row.get(3)?, row.get(4)?),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

impl Attachment {
    fn put_back(&self, connection: &Connection) -> Result<(), StoreError> {
        // Names that this module read from the schema.
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let places = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", self.table, names.join(", "));
        let values = self.columns.iter().map(|(_, cell)| cell.value()).collect::<Result<Vec<_>, _>>()?;
        connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        Ok(())
    }
}

impl Cell {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Blob(bytes) => Self::Blob(BASE64_STANDARD.encode(bytes)),
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
        }
    }

    fn value(&self) -> Result<SqlValue, StoreError> {
        Ok(match self {
            Self::Blob(text) => SqlValue::Blob(
                BASE64_STANDARD
                    .decode(text)
                    .map_err(|_| StoreError::corrupt("a deleted credential cannot be read"))?,
            ),
            Self::Integer(number) => SqlValue::Integer(*number),
            Self::Null => SqlValue::Null,
            Self::Text(text) => SqlValue::Text(text.clone()),
        })
    }
}
