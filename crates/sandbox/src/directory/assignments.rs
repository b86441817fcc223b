//! `appRoleAssignedTo` and `appRoleAssignments`: the same grants, seen from the resource and from the client.

use rusqlite::Connection;
use serde_json::Value;

use super::body::{invalid, properties, require};
use super::collection::Collection;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::APP_ROLE_ASSIGNMENT;
use super::service_principals;
use crate::store::{Object, Table, assignments, objects, principals};

pub(super) fn list_of_client(call: &Call<'_>) -> Result<Answer, Fault> {
    CLIENT.list(call)
}

pub(super) fn get_of_client(call: &Call<'_>) -> Result<Answer, Fault> {
    CLIENT.get(call)
}

pub(super) fn create_at_client(call: &Call<'_>) -> Result<Answer, Fault> {
    CLIENT.create(call)
}

pub(super) fn delete_of_client(call: &Call<'_>) -> Result<Answer, Fault> {
    CLIENT.delete(call)
}

pub(super) fn list_of_resource(call: &Call<'_>) -> Result<Answer, Fault> {
    RESOURCE.list(call)
}

pub(super) fn get_of_resource(call: &Call<'_>) -> Result<Answer, Fault> {
    RESOURCE.get(call)
}

pub(super) fn create_at_resource(call: &Call<'_>) -> Result<Answer, Fault> {
    RESOURCE.create(call)
}

pub(super) fn delete_of_resource(call: &Call<'_>) -> Result<Answer, Fault> {
    RESOURCE.delete(call)
}

static CLIENT: Side = Side { property: "principalId", column: "principal_id", segment: "appRoleAssignments" };
static RESOURCE: Side = Side { property: "resourceId", column: "resource_id", segment: "appRoleAssignedTo" };

/// Role id of the default access, which is no role.
const DEFAULT_ACCESS: &str = "00000000-0000-0000-0000-000000000000";

/// From which of its two service principals a grant is seen.
struct Side {
    property: &'static str,
    column: &'static str,
    segment: &'static str,
}

impl Side {
    fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let principal = call.directory.store.read(|connection| service_principals::find(connection, call))?;
        self.collection(&principal).list(call)
    }

    fn get(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let (principal, assignment) = call.directory.store.read(|connection| self.find(connection, call))?;
        self.collection(&principal).single(call, assignment)
    }

    fn create(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let wish = properties(call, &APP_ROLE_ASSIGNMENT)?;
        for property in ["principalId", "resourceId", "appRoleId"] {
            require(&wish, &APP_ROLE_ASSIGNMENT, property)?;
        }
        let text =
            |name: &str| wish.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let (client, resource, role) = (text("principalId"), text("resourceId"), text("appRoleId"));
        let (principal, document) = call.directory.store.write(|transaction| {
            let principal = service_principals::find(transaction, call)?;
            if text(self.property) != principal.id() {
                return Err(invalid(&APP_ROLE_ASSIGNMENT, self.property));
            }
            let tenant = &call.tenant.id;
            let find = |id: &str| {
                principals::find(transaction, tenant, "id", id)?.ok_or_else(|| Fault::not_found(id))
            };
            let (client, resource) = (find(&client)?, find(&resource)?);
            let is_assignable = match resource.app_role(&role) {
                Some(role) => principals::is_assignable(role),
                None => role == DEFAULT_ACCESS && !resource.has_app_roles(),
            };
            if !is_assignable {
                return Err(Fault::bad_request("Permission being assigned was not found on application"));
            }
            let entropy = &*call.directory.entropy;
            let granted = assignments::grant(transaction, &client, &resource, &role, call.now, entropy);
            match granted {
                Ok(document) => Ok((principal, document)),
                Err(error) if error.is_conflict() => {
                    Err(Fault::bad_request("Permission being assigned already exists on the object"))
                }
                Err(error) => Err(error.into()),
            }
        })?;
        self.collection(&principal).created(call, document)
    }

    fn delete(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.write(|transaction| {
            let (_, assignment) = self.find(transaction, call)?;
            objects::delete(transaction, Table::AppRoleAssignments, &call.tenant.id, assignment.id())?;
            Ok(Answer::no_content())
        })
    }

    fn find(&self, connection: &Connection, call: &Call<'_>) -> Result<(Object, Object), Fault> {
        let principal = service_principals::find(connection, call)?;
        let id = &call.key(1).value;
        let found = objects::find(connection, Table::AppRoleAssignments, &call.tenant.id, "id", id)?;
        let found = found.filter(|assignment| assignment.text(self.property) == principal.id());
        Ok((principal, found.ok_or_else(|| Fault::not_found(id))?))
    }

    fn collection<'a>(&self, principal: &'a Object) -> Collection<'a> {
        Collection {
            path: format!("servicePrincipals/{}/{}", principal.id(), self.segment),
            within: Some((self.column, principal.id())),
            ..Collection::of(&APP_ROLE_ASSIGNMENT)
        }
    }
}
