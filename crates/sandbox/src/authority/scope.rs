//! Which resource a request asks for.

use super::error::{self, AuthorityError};
use super::token_request::{Endpoint, TokenRequest};

const DEFAULT: &str = ".default";

/// What a request without a resource means.
const MICROSOFT_GRAPH: &str = "https://graph.microsoft.com";

/// The name of the resource as requested, its trailing slash included.
///
/// The v2.0 endpoint takes exactly one `{resource}/.default`, where the resource is everything before the last
/// `/.default`; the v1 endpoint takes `resource`, or the same scope.
pub(crate) fn requested_resource(request: &TokenRequest, endpoint: Endpoint) -> Result<&str, AuthorityError> {
    match (endpoint, request.resource(), request.scope()) {
        (Endpoint::V2, Some(_), _) => Err(AuthorityError::from(&error::RESOURCE_PARAMETER)),
        (Endpoint::V2, None, None) => Err(error::PARAMETER_MISSING.with("name", "scope")),
        (Endpoint::V1, Some(resource), _) => Ok(resource),
        (Endpoint::V1, None, None) => Err(error::PARAMETER_MISSING.with("name", "resource")),
        (_, None, Some(scope)) => resource_of(scope),
    }
}

fn resource_of(scope: &str) -> Result<&str, AuthorityError> {
    let mut values: Vec<&str> = scope.split_whitespace().collect();
    values.sort_unstable();
    values.dedup();
    let resource = |value| match value {
        DEFAULT => Some(MICROSOFT_GRAPH),
        value => str::strip_suffix(value, DEFAULT)?.strip_suffix('/').filter(|resource| !resource.is_empty()),
    };
    let resources: Vec<&str> = values.iter().copied().filter_map(resource).collect();
    match (resources.as_slice(), values.len()) {
        (_, 0) => Err(error::PARAMETER_MISSING.with("name", "scope")),
        ([], _) => Err(error::SCOPE_NOT_DEFAULT.with("scope", scope)),
        ([resource], 1) => Ok(resource),
        (several, all) if several.len() == all => Err(error::SCOPE_OF_SEVERAL_RESOURCES.with("scope", scope)),
        _ => Err(error::SCOPE_INVALID.with("scope", scope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // authority 9
    #[test]
    fn a_scope_is_one_resource_and_nothing_else() {
        for (scope, expected) in [
            ("https://graph.microsoft.com/.default", Ok("https://graph.microsoft.com")),
            ("api://orders/.default", Ok("api://orders")),
            ("44444444-4444-4444-4444-444444444444/.default", Ok("44444444-4444-4444-4444-444444444444")),
            (".default", Ok("https://graph.microsoft.com")),
            ("https://management.azure.com//.default", Ok("https://management.azure.com/")),
            ("api://a/.default/.default", Ok("api://a/.default")),
            ("api://a/.default api://a/.default", Ok("api://a")),
            ("https://graph.microsoft.com/User.Read.All", Err(1_002_012)),
            ("openid offline_access", Err(1_002_012)),
            ("/.default", Err(1_002_012)),
            ("api://a.default", Err(1_002_012)),
            ("api://a/.default api://b/.default", Err(700_022)),
            ("api://a/.default .default", Err(700_022)),
            ("api://a/.default api://a/Read", Err(70_011)),
            ("   ", Err(900_144)),
        ] {
            assert_eq!(resource_of(scope).map_err(|error| error.entry.code), expected, "{scope}");
        }
    }
}
