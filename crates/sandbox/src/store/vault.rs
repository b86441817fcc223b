//! What a tenant's vault holds: secrets and certificates in versions, and who may do what with them.
//!
//! A value is kept as it is: the database is a file of its owner alone.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::{Store, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS vault_objects (
    seq        INTEGER PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL COLLATE NOCASE,
    deleted_at INTEGER,
    UNIQUE (tenant_id, kind, name)
) STRICT;

CREATE TABLE IF NOT EXISTS vault_versions (
    seq      INTEGER PRIMARY KEY,
    object   INTEGER NOT NULL REFERENCES vault_objects (seq) ON DELETE CASCADE,
    version  TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (object, version)
) STRICT;

CREATE TABLE IF NOT EXISTS vault_grants (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    app_id    TEXT NOT NULL COLLATE NOCASE,
    role      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, app_id, role)
) STRICT, WITHOUT ROWID;
";

/// How long a deleted object can be recovered, in seconds: 90 days.
pub(crate) const RECOVERABLE: i64 = 90 * 86_400;

/// An object's place: a name means one object of a kind in a tenant's vault, ignoring case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    /// `secrets` or `certificates`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
}

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shelf {
    /// Objects in use.
    InUse,
    /// Objects deleted so lately that at this time (Unix seconds) they can be recovered.
    DeletedAsOf(i64),
}

impl Shelf {
    /// For `IN_SHELF`: deleted objects are those that were deleted after this.
    fn deleted_after(self) -> Option<i64> {
        match self {
            Self::InUse => None,
            Self::DeletedAsOf(now) => Some(now - RECOVERABLE),
        }
    }
}

/// The condition of a shelf, with its parameter `?1`.
const IN_SHELF: &str = "(?1 IS NULL AND o.deleted_at IS NULL OR o.deleted_at > ?1)";

/// One version of an object.
#[derive(Clone)]
pub(crate) struct Version {
    /// Grows with age.
    pub(crate) seq: i64,
    pub(crate) name: String,
    /// 32 hex digits.
    pub(crate) version: String,
    pub(crate) document: Map<String, Value>,
    /// Unix seconds.
    pub(crate) deleted_at: Option<i64>,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The document has the value in it.
        f.debug_struct("Version")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Adds the newest version of an object, and the object if need be; whether nothing deleted stands in its way.
pub(crate) fn add(
    connection: &Connection,
    place: Place<'_>,
    version: &str,
    document: &Map<String, Value>,
    now: i64,
) -> Result<bool, StoreError> {
    let Place { tenant, kind, name } = place;
    connection
        .prepare_cached(
            "DELETE FROM vault_objects WHERE tenant_id = ?1 AND kind = ?2 AND name = ?3 AND deleted_at <= ?4",
        )?
        .execute(params![tenant, kind, name, now - RECOVERABLE])?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO vault_objects (tenant_id, kind, name) VALUES (?1, ?2, ?3)")?
        .execute(params![tenant, kind, name])?;
    let added = connection
        .prepare_cached(
            "INSERT INTO vault_versions (object, version, document) SELECT seq, ?4, ?5 FROM vault_objects
             WHERE tenant_id = ?1 AND kind = ?2 AND name = ?3 AND deleted_at IS NULL",
        )?
        .execute(params![tenant, kind, name, version, serde_json::to_string(document)?])?;
    Ok(added > 0)
}

/// One version of an object, or its newest.
pub(crate) fn find(
    connection: &Connection,
    place: Place<'_>,
    version: Option<&str>,
    shelf: Shelf,
) -> Result<Option<Version>, StoreError> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT v.seq, o.name, v.version, v.document, o.deleted_at
             FROM vault_objects o JOIN vault_versions v ON v.object = o.seq
             WHERE {IN_SHELF} AND o.tenant_id = ?2 AND o.kind = ?3 AND o.name = ?4 AND (?5 IS NULL OR v.version = ?5)
             ORDER BY v.seq DESC LIMIT 1"
        ))?
        .query_row(params![shelf.deleted_after(), place.tenant, place.kind, place.name, version], read)
        .optional()?;
    found.map(parse).transpose()
}

/// Writes the document of a version that exists.
pub(crate) fn replace(
    connection: &Connection,
    seq: i64,
    document: &Map<String, Value>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE vault_versions SET document = ?2 WHERE seq = ?1")?
        .execute(params![seq, serde_json::to_string(document)?])?;
    Ok(())
}

/// The newest versions of the objects whose names come after another, in the order of names.
pub(crate) fn page(
    connection: &Connection,
    tenant: &str,
    kind: &'static str,
    shelf: Shelf,
    after: &str,
    limit: usize,
) -> Result<Vec<Version>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT max(v.seq), o.name, v.version, v.document, o.deleted_at
         FROM vault_objects o JOIN vault_versions v ON v.object = o.seq
         WHERE {IN_SHELF} AND o.tenant_id = ?2 AND o.kind = ?3 AND o.name > ?4
         GROUP BY o.name ORDER BY o.name LIMIT ?5"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![shelf.deleted_after(), tenant, kind, after, limit], read)?;
    rows.map(|row| parse(row?)).collect()
}

/// The versions of an object in use that are younger than another, oldest first.
pub(crate) fn versions(
    connection: &Connection,
    place: Place<'_>,
    after: i64,
    limit: usize,
) -> Result<Vec<Version>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT v.seq, o.name, v.version, v.document, o.deleted_at
         FROM vault_objects o JOIN vault_versions v ON v.object = o.seq
         WHERE o.deleted_at IS NULL AND o.tenant_id = ?1 AND o.kind = ?2 AND o.name = ?3 AND v.seq > ?4
         ORDER BY v.seq LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![place.tenant, place.kind, place.name, after, limit], read)?;
    rows.map(|row| parse(row?)).collect()
}

/// Marks an object in use as deleted.
pub(crate) fn delete(connection: &Connection, place: Place<'_>, now: i64) -> Result<(), StoreError> {
    set_deleted_at(connection, place, Some(now))
}

/// Takes a deleted object back into use.
pub(crate) fn recover(connection: &Connection, place: Place<'_>) -> Result<(), StoreError> {
    set_deleted_at(connection, place, None)
}

fn set_deleted_at(connection: &Connection, place: Place<'_>, at: Option<i64>) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE vault_objects SET deleted_at = ?4 WHERE tenant_id = ?1 AND kind = ?2 AND name = ?3",
        )?
        .execute(params![place.tenant, place.kind, place.name, at])?;
    Ok(())
}

/// Removes an object that is deleted for good.
pub(crate) fn purge(connection: &Connection, place: Place<'_>) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM vault_objects
             WHERE tenant_id = ?1 AND kind = ?2 AND name = ?3 AND deleted_at IS NOT NULL",
        )?
        .execute(params![place.tenant, place.kind, place.name])?;
    Ok(())
}

/// Lets an application do what a role allows; it may do so already.
pub(crate) fn grant(
    connection: &Connection,
    tenant: &str,
    app_id: &str,
    role: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO vault_grants VALUES (?1, ?2, ?3)")?
        .execute(params![tenant, app_id, role])?;
    Ok(())
}

impl Store {
    /// The roles of an application in a tenant's vault, by name.
    pub(crate) fn vault_roles(&self, tenant: &str, app_id: &str) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT role FROM vault_grants WHERE tenant_id = ?1 AND app_id = ?2 ORDER BY role",
            )?;
            let roles = statement.query_map(params![tenant, app_id], |row| row.get(0))?;
            Ok(roles.collect::<Result<_, _>>()?)
        })
    }

    /// Every grant in a tenant's vault: application and role.
    pub(crate) fn vault_grants(&self, tenant: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT app_id, role FROM vault_grants WHERE tenant_id = ?1 ORDER BY app_id, role",
            )?;
            let grants = statement.query_map([tenant], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(grants.collect::<Result<_, _>>()?)
        })
    }

    /// Takes a role from an application; whether it had it.
    pub(crate) fn revoke_vault_role(
        &self,
        tenant: &str,
        app_id: &str,
        role: &str,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            Ok(transaction.execute(
                "DELETE FROM vault_grants WHERE tenant_id = ?1 AND app_id = ?2 AND role = ?3",
                params![tenant, app_id, role],
            )? > 0)
        })
    }
}

type Found = (i64, String, String, String, Option<i64>);

fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn parse((seq, name, version, document, deleted_at): Found) -> Result<Version, StoreError> {
    Ok(Version { seq, name, version, document: serde_json::from_str(&document)?, deleted_at })
}
