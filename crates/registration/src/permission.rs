//! Application permissions: roles that an API defines and an administrator grants.

use std::fmt;

use crate::directory::{AppRole, Directory, ServicePrincipal};
use crate::error::Error;

/// Microsoft Graph's application ID, in every tenant.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// One application permission: a role of an API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// The API: `graph`, its application (client) ID, or its application ID URI.
    pub resource: String,
    /// The role's value, for example `User.Read.All`.
    pub role: String,
}

impl Permission {
    /// Reads `API:ROLE`, for example `graph:User.Read.All` or `api://orders:Orders.Read`.
    ///
    /// # Errors
    /// One of the two is missing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.rsplit_once(':').filter(|(resource, role)| {
            !resource.is_empty()
                && !role.is_empty()
                && !role.starts_with('/')
                && !role.contains(char::is_whitespace)
        });
        let Some((resource, role)) = parts else {
            return Err(Error::new(format!("`{}` is not a permission", text.escape_debug()))
                .mend("write API:ROLE, for example graph:User.Read.All"));
        };
        Ok(Self { resource: resource.to_owned(), role: role.to_owned() })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.role)
    }
}

/// A permission with the ids under which the directory knows it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) permission: Permission,
    pub(crate) resource_app_id: String,
    pub(crate) resource_principal_id: String,
    pub(crate) role_id: String,
}

/// Looks every permission up; each API is asked for once.
pub(crate) async fn resolve(directory: &Directory, permissions: &[Permission]) -> Result<Vec<Grant>, Error> {
    let mut resources: Vec<(String, ServicePrincipal)> = Vec::new();
    let mut grants: Vec<Grant> = Vec::new();
    for permission in permissions {
        let known = resources.iter().position(|(name, _)| *name == permission.resource);
        let index = match known {
            Some(index) => index,
            None => {
                let principal = find_resource(directory, &permission.resource).await?;
                resources.push((permission.resource.clone(), principal));
                resources.len() - 1
            }
        };
        let resource = &resources[index].1;
        let role = find_role(resource, permission)?;
        if grants.iter().all(|grant| grant.role_id != role.id || grant.resource_principal_id != resource.id) {
            grants.push(Grant {
                permission: permission.clone(),
                resource_app_id: resource.app_id.clone(),
                resource_principal_id: resource.id.clone(),
                role_id: role.id.clone(),
            });
        }
    }
    Ok(grants)
}

async fn find_resource(directory: &Directory, name: &str) -> Result<ServicePrincipal, Error> {
    let found = match application_id(name) {
        Some(app_id) => directory.service_principals_of(&app_id).await,
        None => directory.service_principals_named(name).await,
    };
    let found =
        found.map_err(|error| Error::directory(format!("the API `{name}` could not be looked up"), error))?;
    found.into_iter().next().ok_or_else(|| {
        Error::new(format!("the API `{name}` has no service principal in this tenant"))
            .mend("name it by its application (client) ID or its application ID URI, or consent to it first")
    })
}

/// The application ID in a name of an API, if the name holds one.
fn application_id(name: &str) -> Option<String> {
    if ["graph", "https://graph.microsoft.com", "https://graph.microsoft.com/"]
        .iter()
        .any(|graph| name.eq_ignore_ascii_case(graph))
    {
        return Some(GRAPH.to_owned());
    }
    let bare = name.strip_prefix("api://").unwrap_or(name);
    uuid::Uuid::try_parse(bare).ok().map(|id| id.to_string())
}

fn find_role<'a>(resource: &'a ServicePrincipal, permission: &Permission) -> Result<&'a AppRole, Error> {
    let usable = |role: &&AppRole| {
        role.is_enabled && role.allowed_member_types.iter().any(|kind| kind == "Application")
    };
    let wanted = permission.role.as_str();
    let named = |role: &&AppRole| role.value.as_deref() == Some(wanted);
    if let Some(role) = resource.app_roles.iter().filter(usable).find(named) {
        return Ok(role);
    }
    let api = resource.display_name.as_deref().unwrap_or(&permission.resource);
    let nearest =
        nearest(wanted, resource.app_roles.iter().filter(usable).filter_map(|role| role.value.as_deref()));
    let reason =
        if resource.oauth2_permission_scopes.iter().any(|scope| scope.value.as_deref() == Some(wanted)) {
            format!(
                "`{wanted}` of {api} is a delegated permission: it needs a user, and an application has none"
            )
        } else if resource.app_roles.iter().any(|role| named(&role)) {
            format!("the role `{wanted}` of {api} is disabled or not meant for applications")
        } else {
            format!("{api} has no role `{wanted}`")
        };
    let error = Error::new(reason);
    Err(match nearest.as_slice() {
        [] => error.mend(format!("{api} defines no role for applications")),
        names => error.mend(format!("did you mean {}?", names.join(", "))),
    })
}

/// The three names that are most alike.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_ascii_lowercase();
    let mut scored: Vec<(f64, &str)> =
        names.map(|name| (strsim::jaro_winkler(&wanted, &name.to_ascii_lowercase()), name)).collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_an_api_and_a_role() {
        for (text, resource, role) in [
            ("graph:User.Read.All", "graph", "User.Read.All"),
            ("api://orders:Orders.Read", "api://orders", "Orders.Read"),
            ("https://api.example:8443/x:Read", "https://api.example:8443/x", "Read"),
        ] {
            let permission = Permission::parse(text).unwrap();
            assert_eq!((permission.resource.as_str(), permission.role.as_str()), (resource, role));
            assert_eq!(permission.to_string(), text);
        }
        for wrong in ["", "graph", "graph:", ":Role", "api://orders", "graph:User Read"] {
            assert!(Permission::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_name_of_an_api_may_hold_its_application_id() {
        let id = "11111111-2222-3333-4444-555555555555";
        assert_eq!(application_id("Graph").as_deref(), Some(GRAPH));
        assert_eq!(application_id(id).as_deref(), Some(id));
        assert_eq!(application_id(&format!("api://{id}")).as_deref(), Some(id));
        assert_eq!(application_id("api://orders"), None);
    }
}
