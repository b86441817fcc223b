//! Which method on which paths.

use std::error::Error;
use std::fmt;

use http::Method;

/// The methods that are passed on.
pub(crate) const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE];

/// A method and a pattern for the path below the API's base URL, such as `GET /users*`.
///
/// `*` stands for any characters within one segment, `**` for any at all, slashes included. Everything else stands for
/// itself, in the same case. The query is not looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    method: Method,
    pattern: String,
}

impl Route {
    /// Reads `METHOD /pattern`.
    ///
    /// # Errors
    /// Another method, a pattern that does not begin with a slash, or one that no path can match.
    pub fn parse(text: &str) -> Result<Self, InvalidRoute> {
        let refused = |reason, remedy| Err(InvalidRoute { given: text.to_owned(), reason, remedy });
        let Some((method, pattern)) = text.split_once(' ') else {
            return refused("it is not a method, a space and a path", "write it as \"GET /users*\"");
        };
        let Some(method) = METHODS.iter().find(|known| known.as_str() == method) else {
            return refused(
                "its method is none that the sidecar passes on",
                "begin it with GET, POST, PATCH, PUT or DELETE in capitals",
            );
        };
        if !pattern.starts_with('/') {
            return refused(
                "its path does not begin with a slash",
                "write the path below the API's `base-url`, such as \"GET /users*\"",
            );
        }
        if pattern.contains(['?', '#']) {
            return refused("routes are about paths, and this has a query", "end it before the `?`");
        }
        if pattern.contains('%') || !pattern.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused(
                "its path holds characters that are written differently in a request",
                "write `*` in their place",
            );
        }
        Ok(Self { method: method.clone(), pattern: pattern.to_owned() })
    }

    /// Whether the route allows this, for every way to read the path: as it was sent, and with its escapes resolved.
    pub(crate) fn allows(&self, method: &Method, sent: &str, resolved: &[u8]) -> bool {
        let pattern = self.pattern.as_bytes();
        self.method == *method && matches(pattern, sent.as_bytes()) && matches(pattern, resolved)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

/// Follows every way to match at once, so that no path takes longer than its length times the pattern's.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    // Place `i` is reached when the pattern before it has matched the path so far.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_stars(pattern, &mut reached);
    for &byte in path {
        let mut next = vec![false; pattern.len() + 1];
        for (place, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            match pattern.get(place) {
                Some(b'*') => next[place] |= byte != b'/' || is_double(pattern, place),
                Some(&wanted) => next[place + 1] |= wanted == byte,
                None => {}
            }
        }
        skip_stars(pattern, &mut next);
        reached = next;
    }
    reached[pattern.len()]
}

/// A star may stand for nothing.
fn skip_stars(pattern: &[u8], reached: &mut [bool]) {
    for place in 0..pattern.len() {
        if reached[place] && pattern[place] == b'*' {
            reached[place + 1] = true;
        }
    }
}

fn is_double(pattern: &[u8], place: usize) -> bool {
    pattern.get(place + 1) == Some(&b'*') || (place > 0 && pattern[place - 1] == b'*')
}

/// A route that can never allow anything: what was given, why, and what to give instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidRoute {
    given: String,
    reason: &'static str,
    remedy: &'static str,
}

impl InvalidRoute {
    /// What to give instead.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }
}

impl fmt::Display for InvalidRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given: String = self.given.chars().take(120).collect();
        write!(f, "`{}`: {}", given.escape_debug(), self.reason)
    }
}

impl Error for InvalidRoute {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(route: &str, path: &str) -> bool {
        Route::parse(route).unwrap().allows(&Method::GET, path, path.as_bytes())
    }

    #[test]
    fn one_star_stays_within_a_segment_and_two_do_not() {
        for (route, path, expected) in [
            ("GET /users", "/users", true),
            ("GET /users", "/users/1", false),
            ("GET /users", "/Users", false),
            ("GET /users*", "/users", true),
            ("GET /users*", "/users('a@b')", true),
            ("GET /users*", "/users/1", false),
            ("GET /users/*", "/users/1", true),
            ("GET /users/*", "/users/1/messages", false),
            ("GET /users/*/manager", "/users/1/manager", true),
            ("GET /users/**", "/users/1/messages/2", true),
            ("GET /**", "/anything/at/all", true),
            ("GET /**/manager", "/users/1/manager", true),
            ("GET /**", "", false),
            ("POST /users", "/users", false),
        ] {
            assert_eq!(allows(route, path), expected, "{route} {path}");
        }
    }

    #[test]
    fn an_escape_opens_no_route_that_is_closed_without_it() {
        let route = Route::parse("GET /users*").unwrap();
        assert!(!route.allows(&Method::GET, "/users%2F1%2Fmessages", b"/users/1/messages"));
        assert!(!route.allows(&Method::GET, "/%75sers", b"/users"));
    }

    #[test]
    fn a_route_that_could_never_match_is_refused_with_what_to_write() {
        for wrong in [
            "",
            "GET",
            "/users",
            "get /users",
            "HEAD /users",
            "GET users",
            "GET /users?$top=1",
            "GET /a b",
            "GET /a%20b",
            "GET  /users",
        ] {
            let error = Route::parse(wrong).unwrap_err();
            assert!(!error.remedy().is_empty() && error.to_string().starts_with('`'), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_without_stars_matches_itself_alone(path in "/[a-c/]{0,6}", other in "/[a-c/]{0,6}") {
            prop_assert_eq!(matches(path.as_bytes(), other.as_bytes()), path == other);
        }

        #[test]
        fn two_stars_match_whatever_one_star_does(pattern in "/[ab/*]{0,6}", path in "/[ab/]{0,6}") {
            let wider = pattern.replace('*', "**");
            prop_assert!(!matches(pattern.as_bytes(), path.as_bytes()) || matches(wider.as_bytes(), path.as_bytes()));
        }
    }
}
