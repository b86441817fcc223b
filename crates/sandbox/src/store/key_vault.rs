//! Azure Key Vault as every tenant knows it: the resource that tokens for a vault are asked for.

use rusqlite::Connection;
use serde_json::json;
use unattended_core::Entropy;

use super::seed::{ADMINISTRATOR, MICROSOFT_SERVICES_TENANT, object};
use super::{Store, StoreError, principals, timestamp, vault};

/// The application (client) ID of Azure Key Vault.
pub(crate) const VAULT_APP_ID: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";

/// How Azure Key Vault is named in scopes.
pub(crate) const VAULT_RESOURCE: &str = "https://vault.azure.net";

/// The role that the administrator's application begins with.
const ADMINISTRATOR_ROLE: &str = "administrator";

impl Store {
    /// Adds Azure Key Vault to a tenant that was made before there were vaults.
    pub(crate) fn ensure_key_vault(
        &self,
        tenant: &str,
        now: i64,
        entropy: &dyn Entropy,
    ) -> Result<(), StoreError> {
        if self.service_principal_by_app_id(tenant, VAULT_APP_ID)?.is_some() {
            return Ok(());
        }
        self.write(|transaction| add(transaction, tenant, now, entropy))
    }
}

/// Adds its service principal, and lets the tenant's administrator do everything in the tenant's vault.
pub(super) fn add(
    connection: &Connection,
    tenant: &str,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let document = object(json!({
        "id": entropy.uuid(),
        "accountEnabled": true,
        "appDisplayName": "Azure Key Vault",
        "appId": VAULT_APP_ID,
        "appOwnerOrganizationId": MICROSOFT_SERVICES_TENANT,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "createdDateTime": timestamp(now),
        "displayName": "Azure Key Vault",
        "servicePrincipalNames": [VAULT_APP_ID, VAULT_RESOURCE, format!("{VAULT_RESOURCE}/")],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs",
        "tags": [],
    }));
    principals::insert(connection, tenant, &document, None)?;
    admit_administrator(connection, tenant)
}

/// Lets the tenant's administrator do everything in the tenant's vault.
pub(super) fn admit_administrator(connection: &Connection, tenant: &str) -> Result<(), StoreError> {
    let administrators = connection
        .prepare_cached("SELECT CAST(value AS TEXT) FROM settings WHERE name = ?1")?
        .query_map([format!("{ADMINISTRATOR}.{tenant}")], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    administrators.iter().try_for_each(|app_id| vault::grant(connection, tenant, app_id, ADMINISTRATOR_ROLE))
}
