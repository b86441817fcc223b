//! What a request line asks for.

use http::Uri;

use crate::refusal::Refusal;

/// The name that stands for lending, and so for no API.
pub(crate) const TOKEN: &str = "token";

/// What is asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Target<'u> {
    /// What the caller may do.
    Index,
    /// A token of an API.
    Token { api: &'u str },
    /// A call of an API.
    Call {
        api: &'u str,
        /// Below the base URL, as it was sent; empty, or beginning with a slash.
        path: &'u str,
        /// The same with its escapes resolved.
        resolved: Vec<u8>,
        query: Option<&'u str>,
    },
}

impl<'u> Target<'u> {
    /// Reads an origin-form target (RFC 9112 section 3.2.1).
    pub(crate) fn of(uri: &'u Uri) -> Result<Self, Refusal> {
        if uri.scheme().is_some() || uri.authority().is_some() {
            return Err(Refusal::bad_request(
                "absolute_target",
                "the request names a whole URL: this is no proxy",
            )
            .hint("send only the path: GET /graph/users"));
        }
        let Some(path) = uri.path().strip_prefix('/') else {
            return Err(Refusal::bad_request("no_path", "the request names no path"));
        };
        if path.is_empty() {
            return Ok(Self::Index);
        }
        let resolved = resolve(uri.path()).filter(|resolved| is_unambiguous(resolved)).ok_or_else(|| {
            Refusal::bad_request(
                "ambiguous_path",
                "the path has a `.` or `..` segment, a backslash, or an escape that stands for a control character or \
                 for nothing: two programs could read it differently",
            )
            .hint("send the path as it is meant")
        })?;
        let (api, rest) = path.split_once('/').unwrap_or((path, ""));
        if api == TOKEN {
            return if rest.is_empty() || rest.contains('/') {
                Err(Refusal::new(http::StatusCode::NOT_FOUND, "no_such_token", "a token is for one API")
                    .hint("ask for GET /token/API"))
            } else {
                Ok(Self::Token { api: rest })
            };
        }
        // The name of an API has no escapes, so the rest of both readings begins at the same place.
        let start = 1 + api.len();
        let resolved = if resolved.starts_with(format!("/{api}").as_bytes()) {
            resolved.get(start..).unwrap_or_default().to_vec()
        } else {
            Vec::new()
        };
        Ok(Self::Call {
            api,
            path: uri.path().get(start..).unwrap_or_default(),
            resolved,
            query: uri.query(),
        })
    }
}

/// The bytes that a path stands for; none if an escape is not one.
fn resolve(path: &str) -> Option<Vec<u8>> {
    let mut resolved = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        resolved.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    Some(resolved)
}

/// Whether whoever reads the path (a client library, a proxy, a server) comes to the same place.
fn is_unambiguous(resolved: &[u8]) -> bool {
    let plain = resolved.iter().all(|byte| !byte.is_ascii_control() && *byte != b'\\');
    // Some servers cut a segment at `;` before they look at it.
    let mut segments = resolved
        .split(|byte| *byte == b'/')
        .map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
    plain && segments.all(|segment| segment != b"." && segment != b"..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(uri: &str) -> String {
        Target::of(&uri.parse().unwrap()).unwrap_err().code().to_owned()
    }

    #[test]
    fn the_first_segment_is_the_api_and_the_rest_is_passed_as_it_was_sent() {
        let uri: Uri = "/graph/users('a%40b')?$select=id".parse().unwrap();
        let expected = Target::Call {
            api: "graph",
            path: "/users('a%40b')",
            resolved: b"/users('a@b')".to_vec(),
            query: Some("$select=id"),
        };
        assert_eq!(Target::of(&uri).unwrap(), expected);
        for (uri, path) in [("/graph", ""), ("/graph/", "/"), ("/graph//x", "//x")] {
            let uri: Uri = uri.parse().unwrap();
            assert!(matches!(Target::of(&uri).unwrap(), Target::Call { path: found, .. } if found == path));
        }
        assert_eq!(Target::of(&"/?x".parse().unwrap()).unwrap(), Target::Index);
        assert_eq!(Target::of(&"/token/graph".parse().unwrap()).unwrap(), Target::Token { api: "graph" });
    }

    #[test]
    fn a_path_that_could_climb_out_of_its_route_is_refused() {
        for climbing in [
            "/graph/users/../applications",
            "/graph/users/%2e%2E/applications",
            "/graph/users%2F..%2Fapplications",
            "/graph/users/..%5Capplications",
            "/graph/users/..;x=1/applications",
            "/graph/./users",
            "/graph/..",
            "/../graph/users",
            "/graph/users%00",
            "/graph/users%0d%0aHost:x",
            "/graph/users%zz",
            "/graph/users%2",
        ] {
            assert_eq!(refused(climbing), "ambiguous_path", "{climbing}");
        }
    }

    #[test]
    fn a_whole_url_and_no_path_at_all_are_refused() {
        assert_eq!(refused("http://unattended/graph/users"), "absolute_target");
        assert_eq!(refused("unattended:443"), "absolute_target");
        assert_eq!(refused("*"), "no_path");
        for token in ["/token", "/token/", "/token/graph/x"] {
            assert_eq!(refused(token), "no_such_token", "{token}");
        }
    }

    proptest! {
        #[test]
        fn what_is_passed_on_never_leaves_the_api(path in "/graph[/.%25eEfF;ax\\\\]{0,16}") {
            if let Ok(uri) = path.parse::<Uri>()
                && let Ok(Target::Call { api: "graph", path, .. }) = Target::of(&uri)
            {
                prop_assert!(!path.split('/').any(|segment| segment == ".."));
                prop_assert!(!path.to_lowercase().contains("/%2e%2e/"));
            }
        }
    }
}
