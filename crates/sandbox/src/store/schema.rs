//! The tables, and what makes a database a sandbox's.

use std::path::Path;

use rusqlite::Connection;

use super::{
    StoreError, assignments, changes, credentials, deleted, drives, extensions, federation, links,
    managed_identities, revocations, trusted_subjects, vault,
};

/// Marks the file as a sandbox's in its header ("unAt").
const APPLICATION_ID: i64 = 0x756e_4174;

/// Counts every change that an older program must not meet. Since the second, users are kept with where their members
/// end, which an older one would not keep in step; users without are read all the same.
const VERSION: i64 = 2;

/// Makes the tables of an empty database, and refuses any other that this version does not know.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(|error| StoreError::open(path, error))
    };
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| StoreError::open(path, error))?;
    match (tables, pragma("application_id")?, pragma("user_version")?) {
        (0, ..) => create(connection)?,
        (_, APPLICATION_ID, VERSION) => {}
        (_, APPLICATION_ID, 1) => connection
            .pragma_update(None, "user_version", VERSION)
            .map_err(|error| StoreError::open(path, error))?,
        (_, APPLICATION_ID, found) if found > VERSION => {
            return Err(StoreError::newer(path, found, VERSION));
        }
        _ => return Err(StoreError::foreign(path)),
    }
    for tables in LATER_TABLES {
        connection.execute_batch(tables).map_err(|error| StoreError::open(path, error))?;
    }
    let_users_hold_roles(connection).map_err(|error| StoreError::open(path, error))
}

/// Makes the table of app role assignments anew where service principals alone could hold roles.
fn let_users_hold_roles(connection: &mut Connection) -> rusqlite::Result<()> {
    const IS_NARROW: &str = "SELECT count(*) FROM pragma_foreign_key_list('app_role_assignments') WHERE \"from\" = 'principal_id'";
    let is_narrow: i64 = connection.query_row(IS_NARROW, [], |row| row.get(0))?;
    if is_narrow == 0 {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TEMP TABLE kept AS SELECT seq, tenant_id, id, document FROM app_role_assignments;
         DROP TABLE app_role_assignments;",
    )?;
    transaction.execute_batch(APP_ROLE_ASSIGNMENTS)?;
    transaction.execute_batch(
        "INSERT INTO app_role_assignments (seq, tenant_id, id, document) SELECT * FROM kept;
         DROP TABLE kept;",
    )?;
    transaction.commit()
}

/// Tables that came after the first version, each beside what works on it. They are made where they are missing, so
/// that they change no version: an older program does not miss them.
const LATER_TABLES: &[&str] = &[
    changes::TABLES,
    GROUPS,
    assignments::TRIGGERS,
    PERMISSION_GRANTS,
    links::TABLES,
    deleted::TABLES,
    federation::TABLES,
    revocations::TABLES,
    trusted_subjects::TABLES,
    vault::TABLES,
    credentials::TABLES,
    managed_identities::TABLES,
    drives::TABLES,
    extensions::TABLES,
];

const GROUPS: &str = "
CREATE TABLE IF NOT EXISTS groups (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    document     TEXT NOT NULL,
    display_name TEXT COLLATE NOCASE AS (document ->> '$.displayName'),
    mail         TEXT COLLATE NOCASE AS (document ->> '$.mail')
) STRICT;
CREATE INDEX IF NOT EXISTS groups_by_tenant ON groups (tenant_id);
CREATE INDEX IF NOT EXISTS groups_by_display_name ON groups (tenant_id, display_name);
CREATE INDEX IF NOT EXISTS groups_by_mail ON groups (tenant_id, mail);
";

const PERMISSION_GRANTS: &str = "
CREATE TABLE IF NOT EXISTS permission_grants (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    document     TEXT NOT NULL,
    client_id    TEXT COLLATE NOCASE AS (document ->> '$.clientId')
                 REFERENCES service_principals (id) ON DELETE CASCADE,
    resource_id  TEXT COLLATE NOCASE AS (document ->> '$.resourceId')
                 REFERENCES service_principals (id) ON DELETE CASCADE,
    principal_id TEXT COLLATE NOCASE AS (document ->> '$.principalId')
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS permission_grants_once
    ON permission_grants (client_id, resource_id, coalesce(principal_id, ''));
CREATE INDEX IF NOT EXISTS permission_grants_by_tenant ON permission_grants (tenant_id);
CREATE INDEX IF NOT EXISTS permission_grants_by_resource ON permission_grants (resource_id);
CREATE INDEX IF NOT EXISTS permission_grants_by_principal ON permission_grants (principal_id);
";

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    for tables in [TABLES, APP_ROLE_ASSIGNMENTS, FIRST_CREDENTIALS] {
        transaction.execute_batch(tables)?;
    }
    transaction.execute_batch(USER_INDEXES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// The indexes of people, each of its own so that a million can move in before there are any.
const USER_INDEXES: &str = "
CREATE UNIQUE INDEX users_by_id ON users (id);
CREATE INDEX users_by_tenant ON users (tenant_id);
CREATE UNIQUE INDEX users_by_user_principal_name ON users (tenant_id, user_principal_name);
CREATE INDEX users_by_display_name ON users (tenant_id, display_name);
CREATE INDEX users_by_mail ON users (tenant_id, mail);
";

const DROP_USER_INDEXES: &str = "
DROP INDEX IF EXISTS users_by_id;
DROP INDEX users_by_tenant;
DROP INDEX users_by_user_principal_name;
DROP INDEX users_by_display_name;
DROP INDEX users_by_mail;
";

/// Lets many people move in: where none are yet, the indexes are made after them, each from sorted entries. Kept in
/// step, every person would touch a page anywhere in each.
pub(super) fn without_user_indexes<T>(
    connection: &Connection,
    load: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let is_empty: bool =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?;
    if !is_empty {
        return load();
    }
    connection.execute_batch(DROP_USER_INDEXES)?;
    let loaded = load()?;
    connection.execute_batch(USER_INDEXES)?;
    Ok(loaded)
}

const TABLES: &str = "
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    id           TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE domains (
    name       TEXT PRIMARY KEY COLLATE NOCASE,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    is_initial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE applications (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    document     TEXT NOT NULL,
    app_id       TEXT COLLATE NOCASE AS (document ->> '$.appId'),
    display_name TEXT COLLATE NOCASE AS (document ->> '$.displayName')
) STRICT;
CREATE INDEX applications_by_tenant ON applications (tenant_id);
CREATE UNIQUE INDEX applications_by_app_id ON applications (app_id);
CREATE INDEX applications_by_display_name ON applications (tenant_id, display_name);

CREATE TABLE service_principals (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    document     TEXT NOT NULL,
    access_token_version INTEGER,
    app_id       TEXT COLLATE NOCASE AS (document ->> '$.appId'),
    display_name TEXT COLLATE NOCASE AS (document ->> '$.displayName')
) STRICT;
CREATE INDEX service_principals_by_tenant ON service_principals (tenant_id);
CREATE UNIQUE INDEX service_principals_by_app_id ON service_principals (tenant_id, app_id);
CREATE INDEX service_principals_by_display_name ON service_principals (tenant_id, display_name);

CREATE TABLE service_principal_names (
    tenant_id            TEXT NOT NULL,
    name                 TEXT NOT NULL,
    service_principal_id TEXT NOT NULL REFERENCES service_principals (id) ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_principal_names_by_principal ON service_principal_names (service_principal_id);

CREATE TABLE users (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL,
    document     TEXT NOT NULL,
    user_principal_name TEXT COLLATE NOCASE AS (document ->> '$.userPrincipalName'),
    display_name TEXT COLLATE NOCASE AS (document ->> '$.displayName'),
    mail         TEXT COLLATE NOCASE AS (document ->> '$.mail')
) STRICT;

";

const APP_ROLE_ASSIGNMENTS: &str = "
CREATE TABLE app_role_assignments (
    seq          INTEGER PRIMARY KEY,
    tenant_id    TEXT NOT NULL REFERENCES tenants (id),
    id           TEXT NOT NULL UNIQUE,
    document     TEXT NOT NULL,
    principal_id TEXT COLLATE NOCASE AS (document ->> '$.principalId'),
    resource_id  TEXT COLLATE NOCASE AS (document ->> '$.resourceId')
                 REFERENCES service_principals (id) ON DELETE CASCADE,
    app_role_id  TEXT COLLATE NOCASE AS (document ->> '$.appRoleId')
) STRICT;
CREATE UNIQUE INDEX app_role_assignments_once ON app_role_assignments (principal_id, resource_id, app_role_id);
CREATE INDEX app_role_assignments_by_resource ON app_role_assignments (resource_id);
";

const FIRST_CREDENTIALS: &str = "

CREATE TABLE password_credentials (
    key_id         TEXT PRIMARY KEY,
    tenant_id      TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    display_name   TEXT,
    hint           TEXT NOT NULL,
    salt           BLOB NOT NULL,
    digest         BLOB NOT NULL,
    starts_at      INTEGER NOT NULL,
    ends_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX password_credentials_by_application ON password_credentials (application_id);

CREATE TABLE key_credentials (
    application_id    TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    key_id            TEXT NOT NULL,
    tenant_id         TEXT NOT NULL,
    display_name      TEXT,
    certificate       BLOB NOT NULL,
    thumbprint_sha1   BLOB NOT NULL,
    thumbprint_sha256 BLOB NOT NULL,
    starts_at         INTEGER NOT NULL,
    ends_at           INTEGER NOT NULL,
    PRIMARY KEY (application_id, key_id)
) STRICT, WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    use super::super::{Store, Table, objects};
    use super::*;

    /// Makes the table as it was while it named service principals alone, with a row in it.
    fn make_old(path: &Path) {
        let store = Store::open(path).unwrap();
        let narrow = APP_ROLE_ASSIGNMENTS.replace(
            "(document ->> '$.principalId'),",
            "(document ->> '$.principalId') REFERENCES service_principals (id) ON DELETE CASCADE,",
        );
        store
            .write(|transaction| {
                transaction.execute_batch(
                    "DROP TABLE app_role_assignments; DROP TABLE managed_identities; DROP TABLE extension_properties;",
                )?;
                transaction.execute_batch(&narrow)?;
                transaction.execute_batch(
                    "INSERT INTO tenants VALUES ('t', 't', 0);
                     INSERT INTO service_principals (tenant_id, id, document) VALUES ('t', 's', '{}');
                     INSERT INTO app_role_assignments (tenant_id, id, document)
                     VALUES ('t', 'a', '{\"id\":\"a\",\"principalId\":\"s\",\"resourceId\":\"s\",\"appRoleId\":\"r\"}');",
                )?;
                transaction.pragma_update(None, "user_version", 1)?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    fn holds_roles_of_users(store: &Store) {
        let assignment =
            serde_json::json!({ "id": "b", "principalId": "u", "resourceId": "s", "appRoleId": "r" });
        let assignment = assignment.as_object().unwrap();
        store
            .write(|transaction| {
                let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
                assert_eq!(version, VERSION);
                let kept = objects::find(transaction, Table::AppRoleAssignments, "t", "id", "a")?;
                assert_eq!(kept.unwrap().text("principalId"), "s");
                for table in ["managed_identities", "extension_properties"] {
                    transaction.query_row(&format!("SELECT count(*) FROM {table}"), [], |_| Ok(()))?;
                }
                objects::insert(transaction, Table::AppRoleAssignments, "t", assignment)?;
                objects::delete(transaction, Table::ServicePrincipals, "t", "s")?;
                assert!(objects::find(transaction, Table::AppRoleAssignments, "t", "id", "a")?.is_none());
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn a_database_of_an_older_version_becomes_one_of_this() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.sqlite3");
        make_old(&path);
        holds_roles_of_users(&Store::open(&path).unwrap());
    }

    #[test]
    fn so_does_a_snapshot_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old.sqlite3");
        make_old(&path);
        for store in
            [Store::in_memory().unwrap(), Store::open(&directory.path().join("new.sqlite3")).unwrap()]
        {
            store.restore(&path).unwrap();
            holds_roles_of_users(&store);
        }
    }
}
