//! `appRoleAssignedTo` and `appRoleAssignments`: the same grants, seen from the resource and from who holds its role.

use rusqlite::Connection;
use serde_json::Value;

use super::body::{invalid, properties, require};
use super::collection::Collection;
use super::directory_objects::find_any;
use super::exchange::{Answer, Call};
use super::fault::Fault;
use super::schema::APP_ROLE_ASSIGNMENT;
use super::{groups, service_principals, users};
use crate::store::assignments::{self, Principal};
use crate::store::{Condition, Object, SqlValue, Table, objects, principals};

/// Those of the groups that a user is a member of are shown, too.
pub(super) static OF_USER: Side = Side {
    set: "users",
    find: users::find,
    within: |id| {
        let groups = "SELECT source_id FROM links WHERE target_id = ? AND relation = 'members'";
        let ids = vec![SqlValue::Text(id.to_owned()); 2];
        Condition::new(format!("principal_id = ? OR principal_id IN ({groups})"), ids)
    },
    ..OF_CLIENT
};
pub(super) static OF_GROUP: Side = Side { set: "groups", find: groups::find, ..OF_CLIENT };
pub(super) static OF_CLIENT: Side = Side {
    set: "servicePrincipals",
    find: service_principals::find,
    property: "principalId",
    within: |id| Condition::equal("principal_id", id),
    segment: "appRoleAssignments",
};
pub(super) static OF_RESOURCE: Side = Side {
    property: "resourceId",
    within: |id| Condition::equal("resource_id", id),
    segment: "appRoleAssignedTo",
    ..OF_CLIENT
};

/// Role id of the default access, which is no role.
const DEFAULT_ACCESS: &str = "00000000-0000-0000-0000-000000000000";

/// From which of its two ends a grant is seen: who holds the role, or whose role it is.
pub(super) struct Side {
    set: &'static str,
    find: fn(&Connection, &Call<'_>) -> Result<Object, Fault>,
    property: &'static str,
    /// Which grants are seen from the end with an id.
    within: fn(&str) -> Condition,
    segment: &'static str,
}

impl Side {
    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let end = call.directory.store.read(|connection| (self.find)(connection, call))?;
        self.collection(&end).list(call)
    }

    pub(super) fn get(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let (end, assignment) = call.directory.store.read(|connection| self.named(connection, call))?;
        self.collection(&end).single(call, assignment)
    }

    pub(super) fn create(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let wish = properties(call, &APP_ROLE_ASSIGNMENT)?;
        for property in ["principalId", "resourceId", "appRoleId"] {
            require(&wish, &APP_ROLE_ASSIGNMENT, property)?;
        }
        let text =
            |name: &str| wish.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let (principal, resource, role) = (text("principalId"), text("resourceId"), text("appRoleId"));
        let (end, document) = call.directory.store.write(|transaction| {
            let end = (self.find)(transaction, call)?;
            if text(self.property) != end.id() {
                return Err(invalid(&APP_ROLE_ASSIGNMENT, self.property));
            }
            let tenant = &call.tenant.id;
            let resource = principals::find(transaction, tenant, "id", &resource)?
                .ok_or_else(|| Fault::not_found(&resource))?;
            let found = find_any(transaction, tenant, &principal)?;
            let (table, object) = found.ok_or_else(|| Fault::not_found(&principal))?;
            let principal =
                Principal::of(table, &object).ok_or_else(|| invalid(&APP_ROLE_ASSIGNMENT, "principalId"))?;
            let is_assignable = match resource.app_role(&role) {
                Some(role) => principals::is_assignable(role, principal.member_type()),
                None => role == DEFAULT_ACCESS && !resource.has_app_roles(),
            };
            if !is_assignable {
                return Err(Fault::bad_request("Permission being assigned was not found on application"));
            }
            let entropy = &*call.directory.entropy;
            match assignments::grant(transaction, principal, &resource, &role, call.now, entropy) {
                Ok(document) => Ok((end, document)),
                Err(error) if error.is_conflict() => {
                    Err(Fault::bad_request("Permission being assigned already exists on the object"))
                }
                Err(error) => Err(error.into()),
            }
        })?;
        self.collection(&end).created(call, document)
    }

    pub(super) fn delete(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        call.directory.store.write(|transaction| {
            let (_, assignment) = self.named(transaction, call)?;
            objects::delete(transaction, Table::AppRoleAssignments, &call.tenant.id, assignment.id())?;
            Ok(Answer::no_content())
        })
    }

    /// The end and the grant that the path names.
    fn named(&self, connection: &Connection, call: &Call<'_>) -> Result<(Object, Object), Fault> {
        let end = (self.find)(connection, call)?;
        let id = &call.key(1).value;
        let found = objects::find(connection, Table::AppRoleAssignments, &call.tenant.id, "id", id)?;
        let found = found.filter(|assignment| assignment.text(self.property) == end.id());
        Ok((end, found.ok_or_else(|| Fault::not_found(id))?))
    }

    fn collection(&self, end: &Object) -> Collection {
        Collection {
            path: format!("{}/{}/{}", self.set, end.id(), self.segment),
            within: Some((self.within)(end.id())),
            ..Collection::of(&APP_ROLE_ASSIGNMENT)
        }
    }
}
