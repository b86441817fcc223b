//! Applications and service principals, as the authority sees them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};

use super::{Object, Store, StoreError, Table, objects, timestamp};

/// An application registration in its home tenant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Application {
    pub(crate) tenant_id: String,
    pub(crate) object: Object,
}

impl Application {
    /// The object id.
    pub(crate) fn id(&self) -> &str {
        self.object.id()
    }

    /// The application (client) id.
    pub(crate) fn app_id(&self) -> &str {
        self.object.text("appId")
    }

    /// `AzureADMyOrg`, `AzureADMultipleOrgs`, ...
    pub(crate) fn sign_in_audience(&self) -> &str {
        self.object.text("signInAudience")
    }

    /// Whether a tenant may have a service principal of it: its own, or any if it is there for many.
    pub(crate) fn serves(&self, tenant: &str) -> bool {
        self.tenant_id == tenant || self.sign_in_audience() != "AzureADMyOrg"
    }

    /// `api.requestedAccessTokenVersion`: 1, 2 or unset, which means 1.
    pub(crate) fn access_token_version(&self) -> Option<u8> {
        access_token_version(&self.object.document)
    }
}

/// What stands for an application in one tenant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServicePrincipal {
    pub(crate) tenant_id: String,
    pub(crate) object: Object,
    /// The `api.requestedAccessTokenVersion` of its application: 1, 2 or unset, which means 1.
    pub(crate) access_token_version: Option<u8>,
}

impl ServicePrincipal {
    /// The object id: `oid` and `sub` of its tokens.
    pub(crate) fn id(&self) -> &str {
        self.object.id()
    }

    /// The application (client) id.
    pub(crate) fn app_id(&self) -> &str {
        self.object.text("appId")
    }

    pub(crate) fn display_name(&self) -> &str {
        self.object.text("displayName")
    }

    /// Whether tokens are issued to it and for it.
    pub(crate) fn account_enabled(&self) -> bool {
        self.object.document.get("accountEnabled").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Whether only applications with an assignment get tokens for it.
    pub(crate) fn app_role_assignment_required(&self) -> bool {
        self.object.document.get("appRoleAssignmentRequired").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The role of this resource with an id, whatever its state.
    pub(crate) fn app_role(&self, id: &str) -> Option<&Map<String, Value>> {
        self.app_roles().find(|role| {
            role.get("id").and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(id))
        })
    }

    /// Whether it has any role at all.
    pub(crate) fn has_app_roles(&self) -> bool {
        self.app_roles().next().is_some()
    }

    fn app_roles(&self) -> impl Iterator<Item = &Map<String, Value>> {
        array(&self.object.document, "appRoles").filter_map(Value::as_object)
    }
}

impl Store {
    /// Finds an application in whichever tenant is its home.
    pub(crate) fn application_by_app_id(&self, app_id: &str) -> Result<Option<Arc<Application>>, StoreError> {
        let read = || {
            self.read(|connection| {
                let tenant: Option<String> = connection
                    .prepare_cached("SELECT tenant_id FROM applications WHERE app_id = ?1")?
                    .query_row([app_id], |row| row.get(0))
                    .optional()?;
                let Some(tenant_id) = tenant else { return Ok(Some(None)) };
                let object = objects::find(connection, Table::Applications, &tenant_id, "app_id", app_id)?;
                Ok::<_, StoreError>(Some(object.map(|object| Arc::new(Application { tenant_id, object }))))
            })
        };
        Ok(self.caches.applications.get_or_read(self, app_id.to_owned(), read)?.flatten())
    }

    /// Finds what stands for an application in a tenant.
    pub(crate) fn service_principal_by_app_id(
        &self,
        tenant: &str,
        app_id: &str,
    ) -> Result<Option<Arc<ServicePrincipal>>, StoreError> {
        self.caches.principals.get_or_read(self, [tenant.to_owned(), app_id.to_owned()], || {
            self.read(|connection| Ok(find(connection, tenant, "app_id", app_id)?.map(Arc::new)))
        })
    }

    /// Finds a resource of the tenant by one of its `servicePrincipalNames`: its application id or an identifier URI,
    /// of which scheme and host are compared ignoring case. A trailing slash counts.
    pub(crate) fn resource_by_name(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Option<Arc<ServicePrincipal>>, StoreError> {
        self.caches.resources.get_or_read(self, [tenant.to_owned(), name.to_owned()], || {
            self.read(|connection| {
                let id: Option<String> = connection
                    .prepare_cached(
                        "SELECT service_principal_id FROM service_principal_names WHERE tenant_id = ?1 AND name = ?2",
                    )?
                    .query_row(params![tenant, normalized_name(name)], |row| row.get(0))
                    .optional()?;
                let Some(id) = id else { return Ok(None) };
                Ok(find(connection, tenant, "id", &id)?.map(Arc::new))
            })
        })
    }

    /// The values of every enabled application permission of the resource that is assigned to the client, sorted.
    pub(crate) fn application_role_values(
        &self,
        tenant: &str,
        client: &str,
        resource: &str,
    ) -> Result<Vec<String>, StoreError> {
        let resource = self.read(|connection| find(connection, tenant, "id", resource))?;
        match resource {
            Some(resource) => Ok(self.application_role_values_of(client, &resource, None)?.to_vec()),
            None => Ok(Vec::new()),
        }
    }

    /// The same of a resource that was read already: one with hundreds of roles takes a while to be read. With a time
    /// (Unix seconds) only what was assigned until then.
    pub(crate) fn application_role_values_of(
        &self,
        client: &str,
        resource: &ServicePrincipal,
        until: Option<i64>,
    ) -> Result<Arc<[String]>, StoreError> {
        let read = || {
            let assigned = self
                .read(|connection| super::assignments::roles_of(connection, client, resource.id(), until))?;
            let mut values: Vec<String> = assigned
                .iter()
                .filter_map(|role| resource.app_role(role))
                .filter(|role| is_assignable(role, "Application"))
                .filter_map(|role| role.get("value")?.as_str().map(str::to_owned))
                .collect();
            values.sort_unstable();
            Ok::<_, StoreError>(Some(values.into()))
        };
        let values = match until {
            // What shows at a time is another thing every second.
            Some(_) => read(),
            None => {
                let key = [client.to_owned(), resource.id().to_owned()];
                self.caches.roles.get_or_read(self, key, read)
            }
        };
        Ok(values?.unwrap_or_default())
    }
}

/// Finds a service principal by `id` or `app_id`.
pub(crate) fn find(
    connection: &Connection,
    tenant: &str,
    column: &'static str,
    value: &str,
) -> Result<Option<ServicePrincipal>, StoreError> {
    let Some(object) = objects::find(connection, Table::ServicePrincipals, tenant, column, value)? else {
        return Ok(None);
    };
    let access_token_version = connection
        .prepare_cached("SELECT access_token_version FROM service_principals WHERE seq = ?1")?
        .query_row([object.seq], |row| row.get(0))?;
    Ok(Some(ServicePrincipal { tenant_id: tenant.to_owned(), object, access_token_version }))
}

/// What stands for an application in a tenant, as it is when nothing else is said.
pub(crate) fn document(application: &Application, id: String, now: i64) -> Map<String, Value> {
    let properties = [
        ("id", json!(id)),
        ("accountEnabled", json!(true)),
        ("appId", json!(application.app_id())),
        ("appOwnerOrganizationId", json!(application.tenant_id)),
        ("appRoleAssignmentRequired", json!(false)),
        ("createdDateTime", json!(timestamp(now))),
        ("servicePrincipalType", json!("Application")),
        ("tags", json!([])),
    ];
    let mut document = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    copy(&application.object, &mut document);
    document
}

/// Brings a service principal in step with its application.
pub(crate) fn copy(application: &Object, principal: &mut Map<String, Value>) {
    let name = application.text("displayName");
    let mut names = vec![json!(application.text("appId"))];
    names.extend(array(&application.document, "identifierUris").cloned());
    principal.insert("appDisplayName".into(), name.into());
    principal.insert("displayName".into(), name.into());
    principal.insert("servicePrincipalNames".into(), names.into());
    principal.insert("signInAudience".into(), application.text("signInAudience").into());
    principal.insert("appRoles".into(), application.document.get("appRoles").cloned().unwrap_or_default());
    let scopes = application.document.get("api").and_then(|api| api.get("oauth2PermissionScopes")).cloned();
    principal.insert("oauth2PermissionScopes".into(), scopes.unwrap_or_else(|| json!([])));
}

/// Adds a service principal with the names that select it as a resource.
pub(crate) fn insert(
    connection: &Connection,
    tenant: &str,
    document: &Map<String, Value>,
    access_token_version: Option<u8>,
) -> Result<(), StoreError> {
    objects::insert(connection, Table::ServicePrincipals, tenant, document)?;
    index(connection, tenant, document, access_token_version)
}

/// Replaces a service principal and the names that select it.
pub(crate) fn replace(
    connection: &Connection,
    tenant: &str,
    document: &Map<String, Value>,
    access_token_version: Option<u8>,
) -> Result<(), StoreError> {
    objects::replace(connection, Table::ServicePrincipals, tenant, document)?;
    index(connection, tenant, document, access_token_version)
}

fn index(
    connection: &Connection,
    tenant: &str,
    document: &Map<String, Value>,
    access_token_version: Option<u8>,
) -> Result<(), StoreError> {
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
    connection
        .prepare_cached("UPDATE service_principals SET access_token_version = ?2 WHERE id = ?1")?
        .execute(params![id, access_token_version])?;
    connection
        .prepare_cached("DELETE FROM service_principal_names WHERE service_principal_id = ?1")?
        .execute([id])?;
    let mut names: Vec<String> =
        array(document, "servicePrincipalNames").filter_map(Value::as_str).map(normalized_name).collect();
    names.sort_unstable();
    names.dedup();
    let mut statement =
        connection.prepare_cached("INSERT INTO service_principal_names VALUES (?1, ?2, ?3)")?;
    for name in names {
        statement.execute(params![tenant, name, id])?;
    }
    Ok(())
}

/// A resource name in the form in which names are compared: GUIDs, schemes and hosts in lower case, paths as they are.
pub(crate) fn normalized_name(name: &str) -> String {
    match name.split_once("://") {
        None => name.to_ascii_lowercase(),
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!("{}://{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
    }
}

/// Whether an application role is enabled and may be given to members of a type: `Application` or `User`.
pub(crate) fn is_assignable(role: &Map<String, Value>, member_type: &str) -> bool {
    role.get("isEnabled").and_then(Value::as_bool).unwrap_or(false)
        && array(role, "allowedMemberTypes").any(|kind| kind == member_type)
}

/// `api.requestedAccessTokenVersion` of an application's document.
pub(crate) fn access_token_version(document: &Map<String, Value>) -> Option<u8> {
    document
        .get("api")?
        .get("requestedAccessTokenVersion")?
        .as_u64()
        .and_then(|version| version.try_into().ok())
}

fn array<'a>(document: &'a Map<String, Value>, property: &str) -> impl Iterator<Item = &'a Value> {
    document.get(property).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_is_no_application_is_known_until_something_is_written() {
        let store = Store::in_memory().unwrap();
        assert!(store.application_by_app_id("nobody").unwrap().is_none());
        store
            .read(|connection| Ok::<_, StoreError>(connection.execute_batch("DROP TABLE applications")?))
            .unwrap();
        assert!(store.application_by_app_id("nobody").unwrap().is_none());
        store.forget();
        assert!(store.application_by_app_id("nobody").is_err());
    }

    // authority 9: host and scheme compare ignoring case, the trailing slash is part of the name
    #[test]
    fn resource_names_differ_by_path_and_slash_but_not_by_case_of_the_host() {
        assert_eq!(normalized_name("HTTPS://Graph.Microsoft.com/"), "https://graph.microsoft.com/");
        assert_ne!(normalized_name("https://a.b"), normalized_name("https://a.b/"));
        assert_eq!(normalized_name("api://ABC/Path"), "api://abc/Path");
        assert_eq!(
            normalized_name("0000000A-0000-0000-C000-000000000000"),
            "0000000a-0000-0000-c000-000000000000"
        );
    }
}
