//! Which application permissions open which calls of the directory: data with a date.

use std::sync::OnceLock;

use http::Method;
use serde::Deserialize;

use crate::error::Error;
use crate::limits::{matches, unversioned};
use crate::refused_token::RefusedToken;

/// The directory's code for a call that the application has no permission for.
pub(crate) const DENIED: &str = "Authorization_RequestDenied";

/// Documented permissions. They change without notice, and nothing is decided by them: they make a refusal readable.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Permissions {
    #[expect(dead_code, reason = "for who reads the file")]
    as_of: String,
    #[expect(dead_code, reason = "for who reads the file")]
    source: String,
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Call {
    methods: Vec<String>,
    /// `{}` is any one segment.
    paths: Vec<String>,
    /// The one that allows least comes first.
    any_of: Vec<String>,
    /// And one of these, if there are any.
    #[serde(default)]
    and_any_of: Vec<String>,
}

/// Adds to a refusal which permissions would open the call, and which the token has.
pub(crate) fn explain(error: Error, method: &Method, path: &str) -> Error {
    if error.code() != Some(DENIED) {
        return error;
    }
    match remedy(method, path, error.refused_token()) {
        Some(remedy) => error.mended_by(remedy),
        None => error,
    }
}

fn remedy(method: &Method, path: &str, token: Option<&RefusedToken>) -> Option<String> {
    let has = token.map(|token| match token.roles.as_slice() {
        [] => "the token has no application permission".to_owned(),
        roles => format!("the token has {}", roles.join(", ")),
    });
    let Some(call) = known(method, path) else { return has };
    let one = |roles: &[String]| match roles {
        [role] => role.clone(),
        roles => format!("one of {}", roles.join(", ")),
    };
    let mut needs = format!("an administrator has to grant {}", one(&call.any_of));
    if !call.and_any_of.is_empty() {
        needs.push_str(&format!(", and {}", one(&call.and_any_of)));
    }
    let has_all = |token: &RefusedToken| {
        let has_one = |wanted: &[String]| wanted.iter().any(|role| token.roles.contains(role));
        has_one(&call.any_of) && (call.and_any_of.is_empty() || has_one(&call.and_any_of))
    };
    Some(match (has, token.is_some_and(has_all)) {
        (None, _) => needs,
        (Some(has), false) => format!("{has}; {needs}"),
        (Some(has), true) => format!(
            "{has}, which opens this call in general: this object, or this property of it, takes more"
        ),
    })
}

fn known(method: &Method, path: &str) -> Option<&'static Call> {
    static CALLS: OnceLock<Vec<Call>> = OnceLock::new();
    let calls = CALLS.get_or_init(|| {
        let text = include_bytes!("microsoft-graph.json");
        serde_json::from_slice::<Permissions>(text).expect("the tests read this file").calls
    });
    let (resource, _) = unversioned(path);
    let names = |call: &&Call| {
        call.methods.iter().any(|it| it == method.as_str())
            && call.paths.iter().any(|it| matches(it, resource, false))
    };
    calls.iter().find(names)
}
