//! App role assignments: who holds which role of which resource: service principals, users, groups.

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use unattended_core::Entropy;

use super::{Object, ServicePrincipal, StoreError, Table, objects, timestamp};

/// What removes the assignments of a principal with it: a foreign key names one table, and a principal is in any of
/// three.
pub(super) const TRIGGERS: &str = "
CREATE TRIGGER IF NOT EXISTS assignments_of_service_principal AFTER DELETE ON service_principals
BEGIN DELETE FROM app_role_assignments WHERE principal_id = OLD.id; END;
CREATE TRIGGER IF NOT EXISTS assignments_of_group AFTER DELETE ON groups
BEGIN DELETE FROM app_role_assignments WHERE principal_id = OLD.id; END;
CREATE TRIGGER IF NOT EXISTS assignments_of_user AFTER DELETE ON users
BEGIN DELETE FROM app_role_assignments WHERE principal_id = OLD.id; END;
";

/// Who is to hold a role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Principal<'a> {
    table: Table,
    object: &'a Object,
}

impl<'a> Principal<'a> {
    /// A user, a group or a service principal; nothing else holds roles.
    pub(crate) fn of(table: Table, object: &'a Object) -> Option<Self> {
        TYPES.iter().any(|(known, _)| *known == table).then_some(Self { table, object })
    }

    /// What the application's roles have to allow: `User` is for groups, too.
    pub(crate) fn member_type(&self) -> &'static str {
        if self.table == Table::ServicePrincipals { "Application" } else { "User" }
    }

    /// `principalType`
    fn kind(&self) -> &'static str {
        TYPES.iter().find(|(table, _)| *table == self.table).map_or("", |(_, kind)| kind)
    }
}

impl<'a> From<&'a ServicePrincipal> for Principal<'a> {
    fn from(principal: &'a ServicePrincipal) -> Self {
        Self { table: Table::ServicePrincipals, object: &principal.object }
    }
}

const TYPES: [(Table, &str); 3] =
    [(Table::Groups, "Group"), (Table::ServicePrincipals, "ServicePrincipal"), (Table::Users, "User")];

/// Where the principals of a `principalType` are.
pub(super) fn table_of(kind: &str) -> Option<Table> {
    TYPES.iter().find(|(_, known)| *known == kind).map(|(table, _)| *table)
}

/// The assignment of a role of `resource` to `principal`, with a new id.
pub(crate) fn document(
    principal: Principal<'_>,
    resource: &ServicePrincipal,
    app_role_id: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Map<String, Value> {
    let properties = [
        ("id", json!(new_id(entropy))),
        ("appRoleId", json!(app_role_id.to_ascii_lowercase())),
        ("createdDateTime", json!(timestamp(now))),
        ("principalDisplayName", json!(principal.object.text("displayName"))),
        ("principalId", json!(principal.object.id())),
        ("principalType", json!(principal.kind())),
        ("resourceDisplayName", json!(resource.display_name())),
        ("resourceId", json!(resource.id())),
    ];
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gives a role of `resource` to `principal`, of the same tenant; a role that it holds already is a conflict.
pub(crate) fn grant(
    connection: &Connection,
    principal: Principal<'_>,
    resource: &ServicePrincipal,
    app_role_id: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<Map<String, Value>, StoreError> {
    let document = document(principal, resource, app_role_id, now, entropy);
    objects::insert(connection, Table::AppRoleAssignments, &resource.tenant_id, &document)?;
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
