//! The first day of a tenant: Microsoft Graph, an administrator's application, and people.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::{Map, Value, json};
use unattended_core::{Entropy, Secret};

use super::permissions::{graph_app_roles, graph_permission_id};
use super::{
    Application, GRAPH_APP_ID, PasswordCredential, Store, StoreError, Table, Tenant, assignments,
    credentials, key_vault, layout, objects, principals, schema, tenants, timestamp,
};
use crate::people::{People, Person};

/// What the administrator's application may do.
const ADMINISTRATOR_PERMISSIONS: [&str; 3] =
    ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Directory.ReadWrite.All"];

/// The setting that names the administrator's application of the first tenant. That of any tenant is named by this, a
/// dot and the tenant's id.
pub(super) const ADMINISTRATOR: &str = "administrator";

/// How long the administrator's secret lasts: longer than any sandbox.
const ADMINISTRATOR_SECRET_LIFETIME: i64 = 20 * 365 * 86_400;

/// Who owns Microsoft's own applications.
pub(super) const MICROSOFT_SERVICES_TENANT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

/// What a new tenant begins with.
#[derive(Debug)]
pub(crate) struct Seed<'a> {
    /// GUID, lower case.
    pub(crate) tenant_id: String,
    /// Initial verified domain.
    pub(crate) domain: String,
    pub(crate) display_name: String,
    /// How many people, and which.
    pub(crate) users: u32,
    pub(crate) people_seed: u64,
    /// Unix seconds.
    pub(crate) now: i64,
    pub(crate) entropy: &'a dyn Entropy,
}

/// A new tenant and the only copy of its administrator's secret.
#[derive(Debug)]
pub(crate) struct Seeded {
    pub(crate) tenant: Tenant,
    pub(crate) administrator_secret: Secret,
}

impl Store {
    /// Makes a tenant; all of it or nothing.
    pub(crate) fn seed(&self, seed: &Seed<'_>) -> Result<Seeded, StoreError> {
        self.write(|transaction| {
            let tenant = Tenant {
                id: seed.tenant_id.clone(),
                display_name: seed.display_name.clone(),
                domains: vec![seed.domain.clone()],
                created_at: seed.now,
            };
            tenants::insert(transaction, &tenant)?;
            let graph = add_graph(transaction, seed)?;
            let administrator_secret = add_administrator(transaction, seed, &graph)?;
            key_vault::add(transaction, &seed.tenant_id, seed.now, seed.entropy)?;
            if seed.users > 0 {
                schema::without_user_indexes(transaction, || add_people(transaction, seed))?;
            }
            Ok(Seeded { tenant, administrator_secret })
        })
    }

    /// The administrator's application of the first tenant that was seeded.
    pub(crate) fn administrator(&self) -> Result<Option<Arc<Application>>, StoreError> {
        let Some(app_id) = self.setting(ADMINISTRATOR)? else {
            return Ok(None);
        };
        self.application_by_app_id(&String::from_utf8_lossy(&app_id))
    }

    /// The administrator's application of a tenant.
    pub(crate) fn administrator_of(&self, tenant: &str) -> Result<Option<Arc<Application>>, StoreError> {
        match self.setting(&format!("{ADMINISTRATOR}.{tenant}"))? {
            Some(app_id) => self.application_by_app_id(&String::from_utf8_lossy(&app_id)),
            None => Ok(self.administrator()?.filter(|application| application.tenant_id == tenant)),
        }
    }

    /// Gives a tenant another administrator's application, for when the one it had was deleted.
    pub(crate) fn renew_administrator(
        &self,
        tenant: &Tenant,
        now: i64,
        entropy: &dyn Entropy,
    ) -> Result<Secret, StoreError> {
        self.write(|transaction| {
            let graph =
                principals::find(transaction, &tenant.id, "app_id", GRAPH_APP_ID)?.ok_or_else(|| {
                    StoreError::corrupt("the tenant has no service principal of Microsoft Graph")
                })?;
            let own = format!("{ADMINISTRATOR}.{}", tenant.id);
            // The first tenant's is named twice.
            let deleted: Option<Vec<u8>> = transaction
                .query_row("SELECT value FROM settings WHERE name = ?1", [&own], |row| row.get(0))
                .optional()?;
            transaction.execute(
                "DELETE FROM settings WHERE name IN (?1, ?2) AND value = ?3",
                rusqlite::params![ADMINISTRATOR, own, deleted],
            )?;
            let seed = Seed {
                tenant_id: tenant.id.clone(),
                domain: tenant.initial_domain().to_owned(),
                display_name: tenant.display_name.clone(),
                users: 0,
                people_seed: 0,
                now,
                entropy,
            };
            let secret = add_administrator(transaction, &seed, graph.id())?;
            key_vault::admit_administrator(transaction, &tenant.id)?;
            Ok(secret)
        })
    }

    /// Gives the administrator's application of a tenant a new secret, for when the file with the first one is lost.
    pub(crate) fn renew_administrator_secret(
        &self,
        tenant: &str,
        now: i64,
        entropy: &dyn Entropy,
    ) -> Result<Secret, StoreError> {
        let application = self
            .administrator_of(tenant)?
            .ok_or_else(|| StoreError::corrupt("the tenant has no administrator's application"))?;
        let (credential, secret) = administrator_password(now, entropy)?;
        self.add_password(&application.tenant_id, application.id(), &credential)?;
        Ok(secret)
    }
}

/// Adds the service principal of Microsoft Graph and returns its object id.
fn add_graph(connection: &Connection, seed: &Seed<'_>) -> Result<String, StoreError> {
    let id = seed.entropy.uuid();
    let document = object(json!({
        "id": id,
        "accountEnabled": true,
        "appDisplayName": "Microsoft Graph",
        "appId": GRAPH_APP_ID,
        "appOwnerOrganizationId": MICROSOFT_SERVICES_TENANT,
        "appRoleAssignmentRequired": false,
        "appRoles": graph_app_roles(),
        "createdDateTime": timestamp(seed.now),
        "displayName": "Microsoft Graph",
        "servicePrincipalNames": [
            GRAPH_APP_ID,
            format!("{GRAPH_APP_ID}/graph.microsoft.com"),
            "https://graph.microsoft.com",
            "https://graph.microsoft.com/",
        ],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs",
        "tags": [],
    }));
    principals::insert(connection, &seed.tenant_id, &document, Some(2))?;
    Ok(id)
}

fn add_administrator(connection: &Connection, seed: &Seed<'_>, graph: &str) -> Result<Secret, StoreError> {
    let (application, app_id, principal) = (seed.entropy.uuid(), seed.entropy.uuid(), seed.entropy.uuid());
    let name = "Sandbox administrator";
    let document = object(json!({
        "id": application,
        "appId": app_id,
        "createdDateTime": timestamp(seed.now),
        "displayName": name,
        "publisherDomain": seed.domain,
        "signInAudience": "AzureADMyOrg",
        "identifierUris": [],
        "appRoles": [],
        "requiredResourceAccess": [],
        "tags": [],
        "api": { "requestedAccessTokenVersion": 2 },
    }));
    objects::insert(connection, Table::Applications, &seed.tenant_id, &document)?;
    let document = object(json!({
        "id": principal,
        "accountEnabled": true,
        "appDisplayName": name,
        "appId": app_id,
        "appOwnerOrganizationId": seed.tenant_id,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "createdDateTime": timestamp(seed.now),
        "displayName": name,
        "servicePrincipalNames": [app_id],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMyOrg",
        "tags": [],
    }));
    principals::insert(connection, &seed.tenant_id, &document, Some(2))?;
    let find = |id: &str| {
        principals::find(connection, &seed.tenant_id, "id", id)?
            .ok_or_else(|| StoreError::corrupt("a service principal vanished while the tenant was made"))
    };
    let (client, graph) = (find(&principal)?, find(graph)?);
    for role in ADMINISTRATOR_PERMISSIONS.iter().filter_map(|value| graph_permission_id(value)) {
        assignments::grant(connection, (&client).into(), &graph, role, seed.now, seed.entropy)?;
    }
    let (credential, secret) = administrator_password(seed.now, seed.entropy)?;
    let holder = credentials::Holder::Application(&application);
    credentials::insert_password(connection, &seed.tenant_id, holder, &credential)?;
    for name in [ADMINISTRATOR.to_owned(), format!("{ADMINISTRATOR}.{}", seed.tenant_id)] {
        connection.execute(
            "INSERT OR IGNORE INTO settings VALUES (?1, ?2)",
            rusqlite::params![name, app_id.as_bytes()],
        )?;
    }
    Ok(secret)
}

/// Good at any earlier time: who sets the clock back has to get in, too.
fn administrator_password(
    now: i64,
    entropy: &dyn Entropy,
) -> Result<(PasswordCredential, Secret), StoreError> {
    let ends_at = now + ADMINISTRATOR_SECRET_LIFETIME;
    const ALWAYS: i64 = 0;
    PasswordCredential::generate(entropy.uuid(), Some("sandbox".into()), ALWAYS, ends_at)
}

fn add_people(connection: &Connection, seed: &Seed<'_>) -> Result<(), StoreError> {
    let created = timestamp(seed.now);
    for person in People::new(seed.people_seed, &seed.domain).take(seed.users as usize) {
        let id = seed.entropy.uuid();
        let document = layout::with_ends(serde_json::to_string(&UserDocument::of(&person, &id, &created))?);
        objects::load_text(connection, Table::Users, &seed.tenant_id, &id, &document)?;
    }
    Ok(())
}

/// A user in the layout in which the store keeps it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserDocument<'a> {
    business_phones: [&'a str; 0],
    display_name: &'a str,
    given_name: Option<&'a str>,
    id: &'a str,
    job_title: Option<&'a str>,
    mail: &'a str,
    mobile_phone: Option<&'a str>,
    office_location: Option<&'a str>,
    preferred_language: Option<&'a str>,
    surname: Option<&'a str>,
    user_principal_name: &'a str,
    account_enabled: bool,
    created_date_time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<&'a str>,
    mail_nickname: &'a str,
    user_type: &'static str,
}

impl<'a> UserDocument<'a> {
    fn of(person: &'a Person, id: &'a str, created: &'a str) -> Self {
        Self {
            account_enabled: true,
            business_phones: [],
            created_date_time: created,
            department: person.department.as_deref(),
            display_name: &person.display_name,
            given_name: person.given_name.as_deref(),
            id,
            job_title: person.job_title.as_deref(),
            mail: &person.user_principal_name,
            mail_nickname: &person.mail_nickname,
            mobile_phone: person.mobile_phone.as_deref(),
            office_location: person.office_location.as_deref(),
            preferred_language: person.preferred_language.as_deref(),
            surname: person.surname.as_deref(),
            user_principal_name: &person.user_principal_name,
            user_type: "Member",
        }
    }
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use unattended_core::SeededEntropy;

    use super::super::{Condition, paging};
    use super::*;

    const TENANT: &str = "11111111-2222-4333-8444-555555555555";

    fn seeded(users: u32) -> (Store, Seeded) {
        let store = Store::in_memory().unwrap();
        let seed = Seed {
            tenant_id: TENANT.into(),
            domain: "contoso.onmicrosoft.com".into(),
            display_name: "Contoso".into(),
            users,
            people_seed: 42,
            now: 1_800_000_000,
            entropy: &SeededEntropy::new(1),
        };
        let seeded = store.seed(&seed).unwrap();
        (store, seeded)
    }

    #[test]
    fn a_new_tenant_has_microsoft_graph_under_all_its_names() {
        let (store, _) = seeded(0);
        for name in [GRAPH_APP_ID, "https://graph.microsoft.com", "HTTPS://GRAPH.microsoft.com/"] {
            let graph = store.resource_by_name(TENANT, name).unwrap().unwrap();
            assert_eq!((graph.app_id(), graph.access_token_version), (GRAPH_APP_ID, Some(2)));
            assert_eq!(
                graph.app_role("741f803b-c850-494e-b5df-cde7c675a1ca").unwrap()["value"],
                "User.ReadWrite.All"
            );
        }
        assert!(store.resource_by_name(TENANT, "https://graph.microsoft.com/v1.0").unwrap().is_none());
        assert!(store.resource_by_name("other", GRAPH_APP_ID).unwrap().is_none());
    }

    #[test]
    fn the_administrator_holds_its_permissions_and_knows_its_secret() {
        let (store, seeded) = seeded(0);
        let application = store.administrator().unwrap().unwrap();
        let client = store.service_principal_by_app_id(TENANT, application.app_id()).unwrap().unwrap();
        let graph = store.resource_by_name(TENANT, GRAPH_APP_ID).unwrap().unwrap();
        assert_eq!(
            store.application_role_values(TENANT, client.id(), graph.id()).unwrap(),
            ["AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"]
        );
        let renewed =
            store.renew_administrator_secret(TENANT, 1_800_000_000, &SeededEntropy::new(7)).unwrap();
        let passwords =
            store.password_credentials(credentials::Holder::Application(application.id())).unwrap();
        for secret in [&seeded.administrator_secret, &renewed] {
            assert_eq!(passwords.iter().filter(|password| password.matches(secret)).count(), 1);
        }
    }

    #[test]
    fn a_tenant_is_found_by_guid_and_by_domain_ignoring_case() {
        let (store, seeded) = seeded(0);
        for name in [TENANT, "contoso.onmicrosoft.com", "Contoso.OnMicrosoft.com"] {
            assert_eq!(*store.tenant(name).unwrap().unwrap(), seeded.tenant);
        }
        assert_eq!(store.tenant("fabrikam.com").unwrap(), None);
    }

    #[test]
    fn people_are_kept_as_objects_that_came_later_would_be() {
        let (store, _) = seeded(50);
        store
            .read(|connection| {
                let mut statement = connection.prepare("SELECT document FROM users")?;
                let documents = statement.query_map([], |row| row.get::<_, String>(0))?;
                for document in documents {
                    let document = document?;
                    let mut parsed: Map<String, Value> = serde_json::from_str(&document)?;
                    assert!(parsed.remove(layout::ENDS).is_some());
                    assert_eq!(layout::text(Table::Users, &parsed)?, document);
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn every_index_is_there_after_people_moved_in_one_tenant_after_the_other() {
        let (store, first) = seeded(20);
        let second = Seed {
            tenant_id: "22222222-2222-4333-8444-555555555555".into(),
            domain: "fabrikam.onmicrosoft.com".into(),
            display_name: "Fabrikam".into(),
            users: 20,
            people_seed: 42,
            now: 1_800_000_000,
            entropy: &SeededEntropy::new(2),
        };
        store.seed(&second).unwrap();
        let indexes = |store: &Store| {
            store
                .read(|connection| {
                    let sql =
                        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
                    Ok::<_, StoreError>(connection.query_row(sql, [], |row| row.get::<_, String>(0))?)
                })
                .unwrap()
        };
        assert_eq!(indexes(&store), indexes(&Store::in_memory().unwrap()));
        for tenant in [&first.tenant.id, &second.tenant_id] {
            let count =
                store.read(|connection| paging::count(connection, Table::Users, tenant, &Condition::all()));
            assert_eq!(count.unwrap(), 20);
        }
    }

    #[test]
    fn ten_thousand_people_move_in_at_once() {
        let (store, _) = seeded(10_000);
        let count: i64 = store
            .read(|connection| paging::count(connection, Table::Users, TENANT, &Condition::all()))
            .unwrap();
        assert_eq!(count, 10_000);
    }
}
