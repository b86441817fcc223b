//! What an application asks for, and granting it.

use rusqlite::Connection;
use serde_json::{Map, Value};
use unattended_core::Entropy;

use super::error;
use super::request::ConsentRequest;
use crate::authority::error::AuthorityError;
use crate::store::{
    Application, ServicePrincipal, Store, StoreError, Tenant, assignments, normalized_name, principals,
};

/// What an administrator is asked to agree to.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) groups: Vec<Group>,
    /// How many delegated permissions the application lists as well: they need users who sign in.
    pub(super) delegated: usize,
}

/// The permissions of one resource.
#[derive(Debug)]
pub(super) struct Group {
    resource: ServicePrincipal,
    pub(super) permissions: Vec<Permission>,
}

/// One application permission.
#[derive(Debug)]
pub(super) struct Permission {
    role_id: String,
    /// `User.Read.All`
    pub(super) value: String,
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) is_granted: bool,
}

impl Group {
    pub(super) fn resource_name(&self) -> &str {
        self.resource.display_name()
    }

    /// How the resource is named in scopes.
    fn scope_prefix(&self) -> &str {
        names(&self.resource).find(|name| name.contains("://")).unwrap_or_else(|| self.resource.app_id())
    }
}

impl Proposal {
    /// What the request asks for in a tenant.
    ///
    /// # Errors
    /// The tenant lacks a resource, the resource lacks a permission, or a resource of the scope is not on the
    /// application's list.
    pub(super) fn read(
        connection: &Connection,
        request: &ConsentRequest,
        tenant: &Tenant,
    ) -> Result<Self, AuthorityError> {
        let application = &request.application;
        let client = principals::find(connection, &tenant.id, "app_id", application.app_id())?;
        let (mut groups, mut delegated) = (Vec::new(), 0);
        for wanted in objects(application.object.document.get("requiredResourceAccess")) {
            let app_id = text(wanted, "resourceAppId");
            let resource = principals::find(connection, &tenant.id, "app_id", app_id)?
                .ok_or_else(|| error::RESOURCE_MISSING.with("resource", app_id).with("tenant", &tenant.id))?;
            let held = match &client {
                Some(client) => assignments::roles_of(connection, client.id(), resource.id(), None)?,
                None => Vec::new(),
            };
            let mut permissions: Vec<Permission> = Vec::new();
            for access in objects(wanted.get("resourceAccess")) {
                if text(access, "type") != "Role" {
                    delegated += 1;
                    continue;
                }
                let permission = permission(application, &resource, text(access, "id"), &held)?;
                if permissions.iter().all(|known| known.role_id != permission.role_id) {
                    permissions.push(permission);
                }
            }
            groups.push(Group { resource, permissions });
        }
        let proposal = Self { groups, delegated };
        match request.resources.iter().find(|name| !proposal.lists(name)) {
            Some(name) => {
                Err(error::PERMISSIONS_NOT_LISTED.with("resource", name).with("app", application.app_id()))
            }
            None => Ok(proposal),
        }
    }

    /// Everything that decides what accepting means, for telling whether it is what was shown.
    pub(super) fn fingerprint(&self) -> String {
        let groups = self.groups.iter().map(|group| {
            let roles: Vec<&str> = group.permissions.iter().map(|it| it.role_id.as_str()).collect();
            format!("{}:{}", group.resource.id(), roles.join(","))
        });
        groups.collect::<Vec<_>>().join(";")
    }

    /// Whether the application lists a resource.
    fn lists(&self, name: &str) -> bool {
        let wanted = normalized_name(name);
        self.groups.iter().any(|group| names(&group.resource).any(|name| normalized_name(name) == wanted))
    }

    /// The permissions by their full names, as a scope lists them.
    fn scope(&self) -> Vec<String> {
        let names = |group: &Group| {
            let prefix = group.scope_prefix().trim_end_matches('/').to_owned();
            group.permissions.iter().map(move |it| format!("{prefix}/{}", it.value)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(names).collect()
    }
}

/// Gives the application everything it asks for, and the tenant its service principal, if `was_shown` says that this is
/// what the administrator saw. What is there already stays. Returns the names of the permissions.
pub(super) fn approve(
    store: &Store,
    request: &ConsentRequest,
    tenant: &Tenant,
    now: i64,
    entropy: &dyn Entropy,
    was_shown: impl FnOnce(&Proposal) -> bool,
) -> Result<Option<Vec<String>>, AuthorityError> {
    store.write(|transaction| {
        let proposal = Proposal::read(transaction, request, tenant)?;
        if !was_shown(&proposal) {
            return Ok(None);
        }
        let client = find_or_create(transaction, &request.application, tenant, now, entropy)?;
        for group in &proposal.groups {
            for permission in group.permissions.iter().filter(|permission| !permission.is_granted) {
                let role = &permission.role_id;
                assignments::grant(transaction, (&client).into(), &group.resource, role, now, entropy)?;
            }
        }
        Ok(Some(proposal.scope()))
    })
}

fn find_or_create(
    connection: &Connection,
    application: &Application,
    tenant: &Tenant,
    now: i64,
    entropy: &dyn Entropy,
) -> Result<ServicePrincipal, StoreError> {
    let find = || principals::find(connection, &tenant.id, "app_id", application.app_id());
    if let Some(principal) = find()? {
        return Ok(principal);
    }
    let document = principals::document(application, entropy.uuid(), now);
    principals::insert(connection, &tenant.id, &document, application.access_token_version())?;
    find()?.ok_or_else(|| StoreError::corrupt("a service principal vanished while it was made"))
}

fn permission(
    application: &Application,
    resource: &ServicePrincipal,
    role_id: &str,
    held: &[String],
) -> Result<Permission, AuthorityError> {
    let role = resource
        .app_role(role_id)
        .filter(|role| principals::is_assignable(role, "Application"))
        .ok_or_else(|| {
            error::PERMISSION_UNKNOWN
                .with("name", application.object.text("displayName"))
                .with("scope", role_id)
                .with("resource", resource.display_name())
        })?;
    let role_id = text(role, "id").to_ascii_lowercase();
    Ok(Permission {
        value: text(role, "value").to_owned(),
        display_name: text(role, "displayName").to_owned(),
        description: text(role, "description").to_owned(),
        is_granted: held.iter().any(|id| id.eq_ignore_ascii_case(&role_id)),
        role_id,
    })
}

fn names(resource: &ServicePrincipal) -> impl Iterator<Item = &str> {
    let names = resource.object.document.get("servicePrincipalNames").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn objects(value: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn text<'a>(object: &'a Map<String, Value>, property: &str) -> &'a str {
    object.get(property).and_then(Value::as_str).unwrap_or_default()
}
