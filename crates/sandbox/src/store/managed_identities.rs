//! Managed identities: service principals without a registration, whose tokens the machine hands out.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;
use unattended_core::Entropy;

use super::seed::{MICROSOFT_SERVICES_TENANT, object};
use super::{Store, StoreError, Table, Tenant, objects, principals, timestamp};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS managed_identities (
    principal_id TEXT PRIMARY KEY REFERENCES service_principals (id) ON DELETE CASCADE,
    tenant_id    TEXT NOT NULL,
    name         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    client_id    TEXT NOT NULL UNIQUE,
    resource_id  TEXT NOT NULL COLLATE NOCASE UNIQUE,
    is_system    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS managed_identities_one_system ON managed_identities (is_system) WHERE is_system;
";

/// The application (client) ID of what tokens are asked for that shall be exchanged for those of an application.
pub(crate) const TOKEN_EXCHANGE_APP_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";

/// The same by name.
pub(crate) const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";

/// An identity that the machine has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ManagedIdentity {
    pub(crate) tenant_id: String,
    /// The object id of its service principal.
    pub(crate) object_id: String,
    pub(crate) client_id: String,
    pub(crate) name: String,
    /// The path that it has in Azure.
    pub(crate) resource_id: String,
    /// Whether it is the machine's own, or one that was made beside it and assigned.
    pub(crate) is_system: bool,
}

/// Which of the machine's identities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    System,
    ClientId(String),
    ObjectId(String),
    ResourceId(String),
}

impl Store {
    /// The machine's identities by name.
    pub(crate) fn managed_identities(&self) -> Result<Vec<ManagedIdentity>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY name"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// The one that is meant, if the machine has it.
    pub(crate) fn managed_identity(&self, which: &Which) -> Result<Option<ManagedIdentity>, StoreError> {
        let (column, value) = match which {
            Which::System => ("is_system", "1"),
            Which::ClientId(id) => ("client_id", &**id),
            Which::ObjectId(id) => ("principal_id", &**id),
            Which::ResourceId(id) => ("resource_id", &**id),
        };
        // Ids are kept in lower case, paths compare ignoring it.
        let value = value.to_ascii_lowercase();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {column} = ?1"))?;
            Ok(statement.query_row([value], read).optional()?)
        })
    }
}

const SELECT: &str =
    "SELECT tenant_id, principal_id, client_id, name, resource_id, is_system FROM managed_identities";

/// Gives the machine an identity in a tenant; a name that is taken, and a second one of its own, are conflicts.
pub(crate) fn add(
    connection: &Connection,
    tenant: &Tenant,
    name: &str,
    is_system: bool,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<ManagedIdentity, StoreError> {
    let kind = match is_system {
        true => "Microsoft.Compute/virtualMachines",
        false => "Microsoft.ManagedIdentity/userAssignedIdentities",
    };
    let identity = ManagedIdentity {
        tenant_id: tenant.id.clone(),
        object_id: entropy.uuid(),
        client_id: entropy.uuid(),
        name: name.to_owned(),
        // The sandbox has no subscriptions, so that a tenant is its only one.
        resource_id: format!("/subscriptions/{}/resourcegroups/sandbox/providers/{kind}/{name}", tenant.id),
        is_system,
    };
    let explicit = if is_system { "False" } else { "True" };
    let document = object(json!({
        "id": identity.object_id,
        "accountEnabled": true,
        "alternativeNames": [format!("isExplicit={explicit}"), identity.resource_id],
        "appDisplayName": null,
        "appId": identity.client_id,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "createdDateTime": timestamp(now),
        "displayName": name,
        "servicePrincipalNames": [identity.client_id],
        "servicePrincipalType": "ManagedIdentity",
        "tags": [],
    }));
    principals::insert(connection, &tenant.id, &document, None)?;
    connection.prepare_cached("INSERT INTO managed_identities VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![
            identity.object_id,
            identity.tenant_id,
            identity.name,
            identity.client_id,
            identity.resource_id,
            identity.is_system
        ],
    )?;
    ensure_token_exchange(connection, &tenant.id, now, entropy)?;
    Ok(identity)
}

/// Takes an identity and its service principal away; whether there was one.
pub(crate) fn remove(connection: &Connection, client_id: &str) -> Result<bool, StoreError> {
    let found: Option<(String, String)> = connection
        .prepare_cached("SELECT tenant_id, principal_id FROM managed_identities WHERE client_id = ?1")?
        .query_row([client_id.to_ascii_lowercase()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((tenant, id)) = found else { return Ok(false) };
    objects::delete(connection, Table::ServicePrincipals, &tenant, &id)
}

/// Adds what such tokens are asked for that vouch for an application.
fn ensure_token_exchange(
    connection: &Connection,
    tenant: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    if principals::find(connection, tenant, "app_id", TOKEN_EXCHANGE_APP_ID)?.is_some() {
        return Ok(());
    }
    let name = "AAD Token Exchange Endpoint";
    let document = object(json!({
        "id": entropy.uuid(),
        "accountEnabled": true,
        "appDisplayName": name,
        "appId": TOKEN_EXCHANGE_APP_ID,
        "appOwnerOrganizationId": MICROSOFT_SERVICES_TENANT,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "createdDateTime": timestamp(now),
        "displayName": name,
        "servicePrincipalNames": [TOKEN_EXCHANGE_APP_ID, TOKEN_EXCHANGE],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs",
        "tags": [],
    }));
    principals::insert(connection, tenant, &document, Some(2))
}

fn read(row: &Row<'_>) -> rusqlite::Result<ManagedIdentity> {
    Ok(ManagedIdentity {
        tenant_id: row.get(0)?,
        object_id: row.get(1)?,
        client_id: row.get(2)?,
        name: row.get(3)?,
        resource_id: row.get(4)?,
        is_system: row.get(5)?,
    })
}
