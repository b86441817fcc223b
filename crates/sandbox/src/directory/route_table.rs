//! The table of everything that can be asked, with the permissions it takes and what it costs.

use axum::http::Method;

use super::access::{self, Access};
use super::credentials::{APPLICATIONS, SERVICE_PRINCIPALS};
use super::exchange::{Answer, Call};
use super::extension_properties::EXTENSION_PROPERTIES;
use super::fault::Fault;
use super::federated_credentials::FEDERATED_CREDENTIALS;
use super::navigation as nav;
use super::permission_grants as grants;
use super::routes::Route;
use super::schema::{APPLICATION, GROUP, SERVICE_PRINCIPAL, USER};
use super::{
    applications, assignments, deleted_items, directory_objects, drives, extension_properties,
    federated_credentials, groups, memberships, organization, service_principals, users,
};

type Handler = fn(&Call<'_>) -> Result<Answer, Fault>;

/// What is asked of the groups that an object is in.
macro_rules! memberships_of {
    ($object:literal) => {
        &[
            post(
                concat!($object, "/getMemberGroups"),
                access::READ_MEMBERSHIPS,
                2,
                memberships::get_member_groups,
            ),
            post(
                concat!($object, "/getMemberObjects"),
                access::READ_MEMBERSHIPS,
                2,
                memberships::get_member_groups,
            ),
            post(
                concat!($object, "/checkMemberGroups"),
                access::READ_MEMBERSHIPS,
                4,
                memberships::check_member_groups,
            ),
            post(
                concat!($object, "/checkMemberObjects"),
                access::READ_MEMBERSHIPS,
                4,
                memberships::check_member_groups,
            ),
        ]
    };
}

/// The items of a drive, by path and by id.
macro_rules! items_of {
    ($drive:literal) => {
        &[
            post(
                concat!($drive, "/root:/{:}/createUploadSession"),
                access::WRITE_FILES,
                1,
                drives::create_upload_session,
            ),
            get(concat!($drive, "/root:/{:}"), access::READ_FILES, 1, drives::get_item),
            delete(concat!($drive, "/root:/{:}"), access::WRITE_FILES, 1, drives::delete_item),
            post(
                concat!($drive, "/items/root:/{:}/createUploadSession"),
                access::WRITE_FILES,
                1,
                drives::create_upload_session,
            ),
            post(
                concat!($drive, "/items/{}/createUploadSession"),
                access::WRITE_FILES,
                1,
                drives::create_upload_session,
            ),
            get(concat!($drive, "/items/{}"), access::READ_FILES, 1, drives::get_item),
            delete(concat!($drive, "/items/{}"), access::WRITE_FILES, 1, drives::delete_item),
        ]
    };
}

/// All of them; in each part the more specific template stands first. Costs are resource units before `$select` and
/// `$top` are considered.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    PARTS.iter().copied().flatten()
}

static PARTS: &[&[Route]] = &[
    ROUTES,
    memberships_of!("users/{}"),
    memberships_of!("groups/{}"),
    memberships_of!("servicePrincipals/{}"),
    memberships_of!("directoryObjects/{}"),
    items_of!("users/{}/drive"),
    items_of!("groups/{}/drive"),
    items_of!("drives/{}"),
];

static ROUTES: &[Route] = &[
    get("users", access::READ_USERS, 2, users::list),
    post("users", access::CREATE_USERS, 1, users::create),
    get("users/$count", access::READ_USERS, 1, users::count),
    get("users/delta", access::READ_ALL_USERS, 2, users::delta),
    get("users/{}", access::READ_USERS, 1, users::get),
    patch("users/{}", access::UPDATE_USERS, 1, users::update),
    delete("users/{}", access::DELETE_USERS, 1, users::delete),
    get("users/{}/memberOf", access::READ_DIRECTORY, 2, |call| nav::USER_MEMBER_OF.list(call)),
    get("users/{}/memberOf/$count", access::READ_DIRECTORY, 2, |call| nav::USER_MEMBER_OF.count(call)),
    get("users/{}/memberOf/group", access::READ_DIRECTORY, 2, |call| {
        nav::USER_MEMBER_OF.list_of(call, &GROUP)
    }),
    get("users/{}/manager", access::READ_ALL_USERS, 1, |call| nav::MANAGER.single(call)),
    put("users/{}/manager/$ref", access::WRITE_MANAGERS, 1, |call| nav::MANAGER.set(call)),
    delete("users/{}/manager/$ref", access::WRITE_MANAGERS, 1, |call| nav::MANAGER.clear(call)),
    get("users/{}/directReports", access::READ_ALL_USERS, 1, |call| nav::DIRECT_REPORTS.list(call)),
    get("users/{}/transitiveMemberOf", access::READ_DIRECTORY, 1, |call| {
        nav::USER_TRANSITIVE_MEMBER_OF.list(call)
    }),
    get("users/{}/transitiveMemberOf/$count", access::READ_DIRECTORY, 1, |call| {
        nav::USER_TRANSITIVE_MEMBER_OF.count(call)
    }),
    get("users/{}/transitiveMemberOf/group", access::READ_DIRECTORY, 1, |call| {
        nav::USER_TRANSITIVE_MEMBER_OF.list_of(call, &GROUP)
    }),
    get("users/{}/appRoleAssignments", access::READ_HELD_ROLES, 1, |call| assignments::OF_USER.list(call)),
    post("users/{}/appRoleAssignments", access::CREATE_ASSIGNMENTS, 1, |call| {
        assignments::OF_USER.create(call)
    }),
    get("users/{}/appRoleAssignments/{}", access::READ_HELD_ROLES, 1, |call| assignments::OF_USER.get(call)),
    delete("users/{}/appRoleAssignments/{}", access::DELETE_ASSIGNMENTS, 1, |call| {
        assignments::OF_USER.delete(call)
    }),
    get("groups", access::READ_GROUPS, 1, groups::list),
    post("groups", access::CREATE_GROUPS, 1, groups::create),
    get("groups/$count", access::READ_GROUPS, 1, groups::count),
    get("groups/delta", access::READ_GROUPS, 1, groups::delta),
    get("groups/{}", access::READ_GROUPS, 1, groups::get),
    patch("groups/{}", access::WRITE_GROUPS, 1, groups::update),
    delete("groups/{}", access::WRITE_GROUPS, 1, groups::delete),
    get("groups/{}/members", access::READ_GROUPS, 3, |call| nav::GROUP_MEMBERS.list(call)),
    get("groups/{}/members/$count", access::READ_GROUPS, 3, |call| nav::GROUP_MEMBERS.count(call)),
    post("groups/{}/members/$ref", access::WRITE_MEMBERS, 1, |call| nav::GROUP_MEMBERS.add(call)),
    delete("groups/{}/members/{}/$ref", access::WRITE_MEMBERS, 1, |call| nav::GROUP_MEMBERS.remove(call)),
    get("groups/{}/members/user", access::READ_GROUPS, 3, |call| nav::GROUP_MEMBERS.list_of(call, &USER)),
    get("groups/{}/members/group", access::READ_GROUPS, 3, |call| nav::GROUP_MEMBERS.list_of(call, &GROUP)),
    get("groups/{}/members/servicePrincipal", access::READ_GROUPS, 3, |call| {
        nav::GROUP_MEMBERS.list_of(call, &SERVICE_PRINCIPAL)
    }),
    get("groups/{}/owners", access::READ_GROUPS, 1, |call| nav::GROUP_OWNERS.list(call)),
    post("groups/{}/owners/$ref", access::WRITE_GROUPS, 1, |call| nav::GROUP_OWNERS.add(call)),
    delete("groups/{}/owners/{}/$ref", access::WRITE_GROUPS, 1, |call| nav::GROUP_OWNERS.remove(call)),
    get("groups/{}/memberOf", access::READ_DIRECTORY, 2, |call| nav::GROUP_MEMBER_OF.list(call)),
    get("groups/{}/transitiveMemberOf", access::READ_DIRECTORY, 1, |call| {
        nav::GROUP_TRANSITIVE_MEMBER_OF.list(call)
    }),
    get("groups/{}/transitiveMembers", access::READ_GROUPS, 5, |call| {
        nav::GROUP_TRANSITIVE_MEMBERS.list(call)
    }),
    get("groups/{}/transitiveMembers/$count", access::READ_GROUPS, 5, |call| {
        nav::GROUP_TRANSITIVE_MEMBERS.count(call)
    }),
    get("groups/{}/transitiveMembers/user", access::READ_GROUPS, 5, |call| {
        nav::GROUP_TRANSITIVE_MEMBERS.list_of(call, &USER)
    }),
    get("groups/{}/appRoleAssignments", access::READ_HELD_ROLES, 1, |call| assignments::OF_GROUP.list(call)),
    post("groups/{}/appRoleAssignments", access::CREATE_ASSIGNMENTS, 1, |call| {
        assignments::OF_GROUP.create(call)
    }),
    get("groups/{}/appRoleAssignments/{}", access::READ_HELD_ROLES, 1, |call| {
        assignments::OF_GROUP.get(call)
    }),
    delete("groups/{}/appRoleAssignments/{}", access::DELETE_ASSIGNMENTS, 1, |call| {
        assignments::OF_GROUP.delete(call)
    }),
    get("applications", access::READ_APPLICATIONS, 2, applications::list),
    post("applications", access::WRITE_APPLICATIONS, 1, applications::create),
    get("applications/$count", access::READ_APPLICATIONS, 1, applications::count),
    get("applications/delta", access::READ_APPLICATIONS, 2, applications::delta),
    get("applications/{}", access::READ_APPLICATIONS, 1, applications::get),
    patch("applications/{}", access::WRITE_APPLICATIONS, 1, applications::update),
    delete("applications/{}", access::WRITE_APPLICATIONS, 1, applications::delete),
    post("applications/{}/addPassword", access::WRITE_APPLICATIONS, 1, |call| {
        APPLICATIONS.add_password(call)
    }),
    post("applications/{}/removePassword", access::WRITE_APPLICATIONS, 1, |call| {
        APPLICATIONS.remove_password(call)
    }),
    post("applications/{}/addKey", access::ROLL_KEYS, 1, |call| APPLICATIONS.add_key(call)),
    post("applications/{}/removeKey", access::ROLL_KEYS, 1, |call| APPLICATIONS.remove_key(call)),
    get("applications/{}/federatedIdentityCredentials", access::READ_APPLICATIONS, 1, |call| {
        FEDERATED_CREDENTIALS.list(call)
    }),
    post(
        "applications/{}/federatedIdentityCredentials",
        access::WRITE_APPLICATIONS,
        1,
        federated_credentials::create,
    ),
    get("applications/{}/federatedIdentityCredentials/{}", access::READ_APPLICATIONS, 1, |call| {
        FEDERATED_CREDENTIALS.get(call)
    }),
    patch(
        "applications/{}/federatedIdentityCredentials/{}",
        access::WRITE_APPLICATIONS,
        1,
        federated_credentials::update,
    ),
    delete("applications/{}/federatedIdentityCredentials/{}", access::WRITE_APPLICATIONS, 1, |call| {
        FEDERATED_CREDENTIALS.delete(call)
    }),
    get("applications/{}/extensionProperties", access::READ_APPLICATIONS, 1, |call| {
        EXTENSION_PROPERTIES.list(call)
    }),
    post("applications/{}/extensionProperties", access::WRITE_APPLICATIONS, 1, extension_properties::create),
    get("applications/{}/extensionProperties/{}", access::READ_APPLICATIONS, 1, |call| {
        EXTENSION_PROPERTIES.get(call)
    }),
    delete("applications/{}/extensionProperties/{}", access::WRITE_APPLICATIONS, 1, |call| {
        EXTENSION_PROPERTIES.delete(call)
    }),
    get("applications/{}/owners", access::READ_APPLICATIONS, 1, |call| nav::APPLICATION_OWNERS.list(call)),
    post("applications/{}/owners/$ref", access::WRITE_APPLICATIONS, 1, |call| {
        nav::APPLICATION_OWNERS.add(call)
    }),
    delete("applications/{}/owners/{}/$ref", access::WRITE_APPLICATIONS, 1, |call| {
        nav::APPLICATION_OWNERS.remove(call)
    }),
    get("servicePrincipals", access::READ_APPLICATIONS, 1, service_principals::list),
    post("servicePrincipals", access::WRITE_APPLICATIONS, 1, service_principals::create),
    get("servicePrincipals/$count", access::READ_APPLICATIONS, 1, service_principals::count),
    get("servicePrincipals/delta", access::READ_APPLICATIONS, 1, service_principals::delta),
    get("servicePrincipals/{}", access::READ_APPLICATIONS, 1, service_principals::get),
    patch("servicePrincipals/{}", access::WRITE_APPLICATIONS, 1, service_principals::update),
    delete("servicePrincipals/{}", access::WRITE_APPLICATIONS, 1, service_principals::delete),
    post("servicePrincipals/{}/addPassword", access::WRITE_APPLICATIONS, 1, |call| {
        SERVICE_PRINCIPALS.add_password(call)
    }),
    post("servicePrincipals/{}/removePassword", access::WRITE_APPLICATIONS, 1, |call| {
        SERVICE_PRINCIPALS.remove_password(call)
    }),
    post("servicePrincipals/{}/addKey", access::ROLL_KEYS, 1, |call| SERVICE_PRINCIPALS.add_key(call)),
    post("servicePrincipals/{}/removeKey", access::ROLL_KEYS, 1, |call| SERVICE_PRINCIPALS.remove_key(call)),
    get("servicePrincipals/{}/memberOf", access::READ_DIRECTORY, 2, |call| {
        nav::SERVICE_PRINCIPAL_MEMBER_OF.list(call)
    }),
    get("servicePrincipals/{}/transitiveMemberOf", access::READ_DIRECTORY, 1, |call| {
        nav::SERVICE_PRINCIPAL_TRANSITIVE_MEMBER_OF.list(call)
    }),
    get("servicePrincipals/{}/owners", access::READ_APPLICATIONS, 1, |call| {
        nav::SERVICE_PRINCIPAL_OWNERS.list(call)
    }),
    post("servicePrincipals/{}/owners/$ref", access::WRITE_APPLICATIONS, 1, |call| {
        nav::SERVICE_PRINCIPAL_OWNERS.add(call)
    }),
    delete("servicePrincipals/{}/owners/{}/$ref", access::WRITE_APPLICATIONS, 1, |call| {
        nav::SERVICE_PRINCIPAL_OWNERS.remove(call)
    }),
    get("servicePrincipals/{}/appRoleAssignments", access::READ_ASSIGNMENTS, 2, |call| {
        assignments::OF_CLIENT.list(call)
    }),
    post("servicePrincipals/{}/appRoleAssignments", access::CREATE_ASSIGNMENTS, 1, |call| {
        assignments::OF_CLIENT.create(call)
    }),
    get("servicePrincipals/{}/appRoleAssignments/{}", access::READ_ASSIGNMENTS, 1, |call| {
        assignments::OF_CLIENT.get(call)
    }),
    delete("servicePrincipals/{}/appRoleAssignments/{}", access::DELETE_ASSIGNMENTS, 1, |call| {
        assignments::OF_CLIENT.delete(call)
    }),
    get("servicePrincipals/{}/appRoleAssignedTo", access::READ_ASSIGNMENTS, 1, |call| {
        assignments::OF_RESOURCE.list(call)
    }),
    post("servicePrincipals/{}/appRoleAssignedTo", access::CREATE_ASSIGNMENTS, 1, |call| {
        assignments::OF_RESOURCE.create(call)
    }),
    get("servicePrincipals/{}/appRoleAssignedTo/{}", access::READ_ASSIGNMENTS, 1, |call| {
        assignments::OF_RESOURCE.get(call)
    }),
    delete("servicePrincipals/{}/appRoleAssignedTo/{}", access::DELETE_ASSIGNMENTS, 1, |call| {
        assignments::OF_RESOURCE.delete(call)
    }),
    get("servicePrincipals/{}/oauth2PermissionGrants", access::READ_GRANTS, 1, grants::list_of_client),
    get("oauth2PermissionGrants", access::READ_GRANTS, 2, grants::list),
    post("oauth2PermissionGrants", access::WRITE_GRANTS, 1, grants::create),
    get("oauth2PermissionGrants/{}", access::READ_GRANTS, 2, grants::get),
    patch("oauth2PermissionGrants/{}", access::WRITE_GRANTS, 1, grants::update),
    delete("oauth2PermissionGrants/{}", access::WRITE_GRANTS, 1, grants::delete),
    get("directory/deletedItems/user", access::READ_DELETED, 1, |call| deleted_items::list(call, &USER)),
    get("directory/deletedItems/group", access::READ_DELETED, 1, |call| deleted_items::list(call, &GROUP)),
    get("directory/deletedItems/application", access::READ_DELETED, 1, |call| {
        deleted_items::list(call, &APPLICATION)
    }),
    get("directory/deletedItems/servicePrincipal", access::READ_DELETED, 1, |call| {
        deleted_items::list(call, &SERVICE_PRINCIPAL)
    }),
    get("directory/deletedItems/user/$count", access::READ_DELETED, 1, |call| {
        deleted_items::count(call, &USER)
    }),
    get("directory/deletedItems/group/$count", access::READ_DELETED, 1, |call| {
        deleted_items::count(call, &GROUP)
    }),
    get("directory/deletedItems/application/$count", access::READ_DELETED, 1, |call| {
        deleted_items::count(call, &APPLICATION)
    }),
    get("directory/deletedItems/{}", access::READ_DELETED, 1, deleted_items::get),
    delete("directory/deletedItems/{}", access::WRITE_DELETED, 1, deleted_items::purge),
    post("directory/deletedItems/{}/restore", access::WRITE_DELETED, 1, deleted_items::restore),
    post("directoryObjects/getByIds", access::READ_DIRECTORY, 3, directory_objects::get_by_ids),
    post(
        "directoryObjects/getAvailableExtensionProperties",
        access::READ_EXTENSIONS,
        1,
        extension_properties::get_available,
    ),
    get("directoryObjects/{}", access::READ_DIRECTORY, 1, directory_objects::get),
    get("users/{}/drive", access::READ_FILES, 1, drives::of_user),
    get("groups/{}/drive", access::READ_FILES, 1, drives::of_group),
    get("drives/{}", access::READ_FILES, 1, drives::get),
    get("organization", access::READ_ORGANIZATION, 1, organization::list),
    get("organization/$count", access::READ_ORGANIZATION, 1, organization::count),
    get("organization/{}", access::READ_ORGANIZATION, 1, organization::get),
];

const fn get(template: &'static str, access: Access, cost: u32, handler: Handler) -> Route {
    Route { method: Method::GET, template, access, cost, handler }
}

const fn post(template: &'static str, access: Access, cost: u32, handler: Handler) -> Route {
    Route { method: Method::POST, template, access, cost, handler }
}

const fn patch(template: &'static str, access: Access, cost: u32, handler: Handler) -> Route {
    Route { method: Method::PATCH, template, access, cost, handler }
}

const fn put(template: &'static str, access: Access, cost: u32, handler: Handler) -> Route {
    Route { method: Method::PUT, template, access, cost, handler }
}

const fn delete(template: &'static str, access: Access, cost: u32, handler: Handler) -> Route {
    Route { method: Method::DELETE, template, access, cost, handler }
}
