//! What a query of directory objects needs beside itself, known before it is sent.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::form_urlencoded;

use crate::error::Error;

/// The header of an advanced query.
pub(crate) const CONSISTENCY: (HeaderName, HeaderValue) =
    (HeaderName::from_static("consistencylevel"), HeaderValue::from_static("eventual"));

/// Collections of directory objects, by the last segment of their path.
const COLLECTIONS: [&str; 20] = [
    "administrativeunits",
    "applications",
    "contacts",
    "devices",
    "directoryobjects",
    "directreports",
    "groups",
    "memberof",
    "members",
    "ownedobjects",
    "owners",
    "registereddevices",
    "registeredowners",
    "serviceprincipals",
    "transitivememberof",
    "transitivemembers",
    "transitivereports",
    "users",
    // Of `/directory/deletedItems/microsoft.graph.user`.
    "microsoft.graph.group",
    "microsoft.graph.user",
];

/// Where directory objects live, by the first segment of a path.
const ROOTS: [&str; 9] = [
    "administrativeunits",
    "applications",
    "contacts",
    "devices",
    "directory",
    "directoryobjects",
    "groups",
    "serviceprincipals",
    "users",
];

/// Something about a query that costs, or that the API will refuse.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum QueryLint {
    /// The directory answers what is named here only with `ConsistencyLevel: eventual`, and most of it only with
    /// `$count=true`.
    Advanced {
        /// What makes it an advanced query, such as `endsWith`.
        uses: &'static str,
        /// Whether `$count=true` is needed and not there.
        lacks_count: bool,
    },
    /// A list without `$select`: each page costs one resource unit more and brings what nobody asked for.
    NoSelect,
}

impl fmt::Display for QueryLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advanced { uses, lacks_count } => {
                let also = if *lacks_count { " and with `$count=true`" } else { "" };
                write!(
                    f,
                    "the directory answers `{uses}` only with the header `ConsistencyLevel: eventual`{also}"
                )
            }
            Self::NoSelect => f.write_str(
                "without `$select` each page costs one resource unit more and brings properties nobody asked for",
            ),
        }
    }
}

/// What there is to say about reading `path`, relative to the base URL, with its query. It says nothing about what are
/// not directory objects.
#[must_use]
pub fn lint_query(path: &str) -> Vec<QueryLint> {
    let Query { is_list, counts, options } = Query::read(path);
    let mut lints = Vec::new();
    if !is_list {
        return lints;
    }
    let option =
        |name: &str| options.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, it)| it);
    let counted = option("$count").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let filter = option("$filter").and_then(|filter| advanced(filter));
    let sorted =
        (option("$filter").is_some() && option("$orderby").is_some()).then_some("$filter with $orderby");
    let uses = filter.or(sorted);
    let (uses, needs_count) = match (uses, option("$search").is_some(), counts || counted) {
        (Some(uses), ..) => (Some(uses), !counts),
        (None, true, _) => (Some("$search"), false),
        (None, false, true) => (Some("$count"), false),
        (None, false, false) => (None, false),
    };
    lints.extend(uses.map(|uses| QueryLint::Advanced { uses, lacks_count: needs_count && !counted }));
    if !counts && option("$select").is_none() {
        lints.push(QueryLint::NoSelect);
    }
    lints
}

/// The path with what an advanced query lacks, and whether it needs the header too.
pub(crate) fn completed(path: &str) -> (Cow<'_, str>, bool) {
    let lints = lint_query(path);
    let advanced = lints.iter().find_map(|lint| match lint {
        QueryLint::Advanced { lacks_count, .. } => Some(*lacks_count),
        QueryLint::NoSelect => None,
    });
    match advanced {
        None => (Cow::Borrowed(path), false),
        Some(false) => (Cow::Borrowed(path), true),
        Some(true) => {
            let separator = if path.contains('?') { '&' } else { '?' };
            (Cow::Owned(format!("{path}{separator}$count=true")), true)
        }
    }
}

/// Adds to a refusal what the query lacks, if that is what it is about.
pub(crate) fn explain(error: Error, path: &str, headers: &HeaderMap) -> Error {
    if error.code() == Some("Request_UnsupportedQuery") {
        error.mended_by(explained(path, headers))
    } else {
        error
    }
}

/// Why the directory does not support a query, as far as that can be told from the request.
fn explained(path: &str, headers: &HeaderMap) -> String {
    let has_header =
        headers.get("consistencylevel").is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"eventual"));
    let lacks = |lint: &QueryLint| match lint {
        QueryLint::Advanced { lacks_count, .. } => *lacks_count || !has_header,
        QueryLint::NoSelect => false,
    };
    match lint_query(path).into_iter().find(lacks) {
        Some(lint) => lint.to_string(),
        None => {
            "the directory does not answer this query about these properties, not even as an advanced one"
                .to_owned()
        }
    }
}

/// A path below the base as the directory reads it.
struct Query {
    /// Whether it is a collection of directory objects, or the number of them.
    is_list: bool,
    /// Whether it asks for the number alone (`/users/$count`).
    counts: bool,
    options: Vec<(String, String)>,
}

impl Query {
    fn read(path: &str) -> Self {
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let mut segments: Vec<String> =
            resource.split('/').filter(|it| !it.is_empty()).map(str::to_ascii_lowercase).collect();
        let counts = segments.last().is_some_and(|last| last == "$count");
        if counts {
            segments.pop();
        }
        let is_list = segments.first().is_some_and(|first| ROOTS.contains(&first.as_str()))
            && segments.last().is_some_and(|last| COLLECTIONS.contains(&last.as_str()));
        let options = form_urlencoded::parse(query.as_bytes());
        Self {
            is_list,
            counts,
            options: options.map(|(name, it)| (name.into_owned(), it.into_owned())).collect(),
        }
    }
}

/// What in a filter the directory answers only as an advanced query; texts in quotes are data.
fn advanced(filter: &str) -> Option<&'static str> {
    let code: String = filter.split('\'').step_by(2).collect::<Vec<_>>().join("''");
    if code.contains("/$count") {
        return Some("$count in $filter");
    }
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '/');
    words.map(str::to_ascii_lowercase).find_map(|word| match word.as_str() {
        "ne" => Some("ne"),
        "not" => Some("not"),
        "endswith" => Some("endsWith"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced_use(path: &str) -> Option<(&'static str, bool)> {
        lint_query(path).into_iter().find_map(|lint| match lint {
            QueryLint::Advanced { uses, lacks_count } => Some((uses, lacks_count)),
            QueryLint::NoSelect => None,
        })
    }

    // AQ-1
    #[test]
    fn what_needs_the_header_and_the_count_is_known_before_it_is_sent() {
        for (path, expected) in [
            ("/users?$count=true", Some(("$count", false))),
            ("/users/$count", Some(("$count", false))),
            ("/users/$count?$filter=endsWith(mail,'x')", Some(("endsWith", false))),
            ("/groups?$search=\"displayName:a\"", Some(("$search", false))),
            ("/users?$filter=department ne null", Some(("ne", true))),
            ("/users?%24filter=NOT(startswith(mail,'a'))&%24count=true", Some(("not", false))),
            ("/users?$filter=endswith(mail,'@a.example')", Some(("endsWith", true))),
            (
                "users?$filter=accountEnabled+eq+true&$orderby=displayName",
                Some(("$filter with $orderby", true)),
            ),
            ("/users?$filter=assignedLicenses/$count eq 0", Some(("$count in $filter", true))),
            ("/groups/1/members?$filter=mail ne 'x'", Some(("ne", true))),
            ("/users?$filter=displayName eq 'not ne endsWith(it''s ne)'", None),
            ("/users?$filter=startswith(displayName,'none')", None),
            ("/users?$orderby=displayName", None),
            ("/users/1?$count=true", None),
            ("/users/1/messages?$filter=isRead ne true", None),
            ("/auditLogs/signIns?$filter=x ne 1", None),
        ] {
            assert_eq!(advanced_use(path), expected, "{path}");
        }
    }

    // AQ-1
    #[test]
    fn a_list_of_everything_about_everybody_is_noticed() {
        assert_eq!(lint_query("/users?$top=5"), [QueryLint::NoSelect]);
        assert_eq!(lint_query("/users?$select=id"), []);
        assert_eq!(lint_query("/users/1"), []);
        assert!(!lint_query("/users/$count").contains(&QueryLint::NoSelect));
        assert!(QueryLint::NoSelect.to_string().contains("`$select`"));
    }
}
