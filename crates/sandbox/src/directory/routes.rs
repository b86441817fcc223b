//! From a method and a path to the one route that answers them.

use axum::http::{Method, StatusCode};

use super::access::Access;
use super::exchange::{Answer, Call, Key, segments};
use super::fault::Fault;
pub(super) use super::route_table::routes;

/// One call.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    /// `{}` is a key, and `{:}` one of several segments: as many as there are up to a colon, or to the end. Everything else
    /// compares ignoring case.
    pub(super) template: &'static str,
    pub(super) access: Access,
    /// Resource units before `$select` and `$top` are considered.
    pub(super) cost: u32,
    pub(super) handler: fn(&Call<'_>) -> Result<Answer, Fault>,
}

impl Route {
    /// Whether it changes something: some questions are too long for a URL and come as POST.
    pub(super) fn is_write(&self) -> bool {
        let name = self.template.rsplit('/').next().unwrap_or_default();
        let is_question =
            ["getAvailable", "getByIds", "getMember", "checkMember"].iter().any(|it| name.starts_with(it));
        self.method != Method::GET && !is_question
    }
}

/// The route of a request and the keys in its path.
///
/// # Errors
/// 400 for a path that does not exist, 405 for a method that it does not have.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<Key>), Fault> {
    let segments = segments(path).ok_or_else(|| Fault::bad_query("The request URI is not valid."))?;
    let mut is_known = false;
    for route in routes() {
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
    let mut places = template.split('/');
    let mut keys = Vec::new();
    let mut segments = segments.iter();
    while let Some(segment) = segments.next() {
        let place = places.next()?;
        if place == "{}" {
            keys.push(segment.clone());
        } else if place == "{:}" {
            let mut path = segment.value.clone();
            while !path.ends_with(':') {
                let Some(more) = segments.next() else { break };
                path.push('/');
                path.push_str(&more.value);
            }
            keys.push(Key { property: None, value: path });
        } else if segment.property.is_some() || !place.eq_ignore_ascii_case(unqualified(&segment.value)) {
            return None;
        }
    }
    places.next().is_none().then_some(keys)
}

/// `microsoft.graph.delta` is `delta`: SDKs write the qualified names of actions and functions.
fn unqualified(segment: &str) -> &str {
    const NAMESPACE: &str = "microsoft.graph.";
    match segment.split_at_checked(NAMESPACE.len()) {
        Some((namespace, name)) if namespace.eq_ignore_ascii_case(NAMESPACE) => name,
        _ => segment,
    }
}
