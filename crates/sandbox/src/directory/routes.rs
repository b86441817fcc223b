//! The table of everything that can be asked, with the permissions it takes.

use axum::http::{Method, StatusCode};

use super::access::{self, Access};
use super::exchange::{Answer, Call, Key, segments};
use super::fault::Fault;
use super::{applications, assignments, credentials, organization, service_principals, users};

/// One call.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    /// `{}` is a key; everything else compares ignoring case.
    pub(super) template: &'static str,
    pub(super) access: Access,
    /// Resource units before `$select` and `$top` are considered.
    pub(super) cost: u32,
    pub(super) handler: fn(&Call<'_>) -> Result<Answer, Fault>,
}

/// The route of a request and the keys in its path.
///
/// # Errors
/// 400 for a path that does not exist, 405 for a method that it does not have.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<Key>), Fault> {
    let segments = segments(path).ok_or_else(|| Fault::bad_query("The request URI is not valid."))?;
    let mut is_known = false;
    for route in ROUTES {
        let Some(keys) = matches(route.template, &segments) else { continue };
        if route.method == *method {
            return Ok((route, keys));
        }
        is_known = true;
    }
    if is_known {
        return Err(Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        ));
    }
    let first: String =
        segments.first().map_or(String::new(), |segment| segment.value.chars().take(60).collect());
    Err(Fault::bad_query(format!("Resource not found for the segment '{first}'.")))
}

fn matches(template: &str, segments: &[Key]) -> Option<Vec<Key>> {
    let places: Vec<&str> = template.split('/').collect();
    if places.len() != segments.len() {
        return None;
    }
    let mut keys = Vec::new();
    for (place, segment) in places.into_iter().zip(segments) {
        if place == "{}" {
            keys.push(segment.clone());
        } else if segment.property.is_some() || !place.eq_ignore_ascii_case(unqualified(&segment.value)) {
            return None;
        }
    }
    Some(keys)
}

/// `microsoft.graph.delta` is `delta`: SDKs write the qualified names of actions and functions.
fn unqualified(segment: &str) -> &str {
    const NAMESPACE: &str = "microsoft.graph.";
    match segment.split_at_checked(NAMESPACE.len()) {
        Some((namespace, name)) if namespace.eq_ignore_ascii_case(NAMESPACE) => name,
        _ => segment,
    }
}

const fn route(
    method: Method,
    template: &'static str,
    access: Access,
    cost: u32,
    handler: fn(&Call<'_>) -> Result<Answer, Fault>,
) -> Route {
    Route { method, template, access, cost, handler }
}

/// The more specific template stands first.
pub(super) static ROUTES: &[Route] = &[
    route(Method::GET, "users", access::READ_USERS, 2, users::list),
    route(Method::POST, "users", access::CREATE_USERS, 1, users::create),
    route(Method::GET, "users/$count", access::READ_USERS, 1, users::count),
    route(Method::GET, "users/delta", access::READ_ALL_USERS, 2, users::delta),
    route(Method::GET, "users/{}", access::READ_USERS, 1, users::get),
    route(Method::PATCH, "users/{}", access::UPDATE_USERS, 1, users::update),
    route(Method::DELETE, "users/{}", access::DELETE_USERS, 1, users::delete),
    route(Method::GET, "applications", access::READ_APPLICATIONS, 2, applications::list),
    route(Method::POST, "applications", access::WRITE_APPLICATIONS, 1, applications::create),
    route(Method::GET, "applications/$count", access::READ_APPLICATIONS, 1, applications::count),
    route(Method::GET, "applications/delta", access::READ_APPLICATIONS, 2, applications::delta),
    route(Method::GET, "applications/{}", access::READ_APPLICATIONS, 1, applications::get),
    route(Method::PATCH, "applications/{}", access::WRITE_APPLICATIONS, 1, applications::update),
    route(Method::DELETE, "applications/{}", access::WRITE_APPLICATIONS, 1, applications::delete),
    route(
        Method::POST,
        "applications/{}/addPassword",
        access::WRITE_APPLICATIONS,
        1,
        credentials::add_password,
    ),
    route(
        Method::POST,
        "applications/{}/removePassword",
        access::WRITE_APPLICATIONS,
        1,
        credentials::remove_password,
    ),
    route(Method::GET, "servicePrincipals", access::READ_APPLICATIONS, 1, service_principals::list),
    route(Method::POST, "servicePrincipals", access::WRITE_APPLICATIONS, 1, service_principals::create),
    route(Method::GET, "servicePrincipals/$count", access::READ_APPLICATIONS, 1, service_principals::count),
    route(Method::GET, "servicePrincipals/delta", access::READ_APPLICATIONS, 2, service_principals::delta),
    route(Method::GET, "servicePrincipals/{}", access::READ_APPLICATIONS, 1, service_principals::get),
    route(Method::PATCH, "servicePrincipals/{}", access::WRITE_APPLICATIONS, 1, service_principals::update),
    route(Method::DELETE, "servicePrincipals/{}", access::WRITE_APPLICATIONS, 1, service_principals::delete),
    route(
        Method::GET,
        "servicePrincipals/{}/appRoleAssignments",
        access::READ_ASSIGNMENTS,
        2,
        assignments::list_of_client,
    ),
    route(
        Method::POST,
        "servicePrincipals/{}/appRoleAssignments",
        access::CREATE_ASSIGNMENTS,
        1,
        assignments::create_at_client,
    ),
    route(
        Method::GET,
        "servicePrincipals/{}/appRoleAssignments/{}",
        access::READ_ASSIGNMENTS,
        1,
        assignments::get_of_client,
    ),
    route(
        Method::DELETE,
        "servicePrincipals/{}/appRoleAssignments/{}",
        access::DELETE_ASSIGNMENTS,
        1,
        assignments::delete_of_client,
    ),
    route(
        Method::GET,
        "servicePrincipals/{}/appRoleAssignedTo",
        access::READ_ASSIGNMENTS,
        1,
        assignments::list_of_resource,
    ),
    route(
        Method::POST,
        "servicePrincipals/{}/appRoleAssignedTo",
        access::CREATE_ASSIGNMENTS,
        1,
        assignments::create_at_resource,
    ),
    route(
        Method::GET,
        "servicePrincipals/{}/appRoleAssignedTo/{}",
        access::READ_ASSIGNMENTS,
        1,
        assignments::get_of_resource,
    ),
    route(
        Method::DELETE,
        "servicePrincipals/{}/appRoleAssignedTo/{}",
        access::DELETE_ASSIGNMENTS,
        1,
        assignments::delete_of_resource,
    ),
    route(Method::GET, "organization", access::READ_ORGANIZATION, 1, organization::list),
    route(Method::GET, "organization/$count", access::READ_ORGANIZATION, 1, organization::count),
    route(Method::GET, "organization/{}", access::READ_ORGANIZATION, 1, organization::get),
];
