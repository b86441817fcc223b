//! How many items a page may have, as far as that is documented for Microsoft Graph (as of November 2026).

use http::Uri;

use crate::origin::Base;

/// Collections below the version, with the largest page that the directory gives of them.
const COLLECTIONS: [(&str, u32); 5] =
    [("users", 999), ("groups", 999), ("applications", 999), ("servicePrincipals", 999), ("devices", 999)];
/// The same of what belongs to an object: `/groups/{id}/members`.
const RELATIONS: [(&str, u32); 5] = [
    ("members", 999),
    ("transitiveMembers", 999),
    ("memberOf", 999),
    ("transitiveMemberOf", 999),
    ("owners", 999),
];
/// Properties that make the pages smaller.
const COSTLY: [(&str, u32); 1] = [("signInActivity", 120)];
/// Options with which a size of ours could be refused, or would not be the first page's any more.
const SENSITIVE: [&str; 6] = ["$top", "$skip", "$skiptoken", "$deltatoken", "$expand", "$search"];

/// The largest page of the collection at `uri`; `None` for what is not known to be a collection of the directory.
pub(crate) fn largest(uri: &Uri, base: &Base) -> Option<u32> {
    let version = base.path();
    if !["/v1.0", "/beta"].iter().any(|known| version.ends_with(known)) {
        return None;
    }
    let below: Vec<&str> = uri.path().strip_prefix(version)?.trim_matches('/').split('/').collect();
    let in_table = |table: &[(&str, u32)], name: &str| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, most)| *most)
    };
    let most = match below[..] {
        [collection] => in_table(&COLLECTIONS, collection)?,
        [_, _, relation] => in_table(&RELATIONS, relation)?,
        _ => return None,
    };
    let query = uri.query().unwrap_or_default().to_ascii_lowercase();
    let costly = COSTLY.iter().filter(|(name, _)| query.contains(&name.to_ascii_lowercase()));
    Some(costly.map(|(_, most)| *most).fold(most, u32::min))
}

/// The same address with the largest pages, if nothing is said about their size and it is known.
pub(super) fn with_largest(uri: &Uri, base: &Base) -> Option<Uri> {
    let most = largest(uri, base)?;
    if options(uri).any(|(name, _)| SENSITIVE.contains(&name.as_str())) {
        return None;
    }
    let separator = if uri.query().is_some() { '&' } else { '?' };
    format!("{uri}{separator}$top={most}").parse().ok()
}

/// The largest page, if `uri` asks for a larger one.
pub(super) fn exceeded(uri: &Uri, base: &Base) -> Option<u32> {
    let asked = options(uri).find(|(name, _)| name == "$top")?.1.parse::<u64>().ok()?;
    largest(uri, base).filter(|most| asked > u64::from(*most))
}

fn options(uri: &Uri) -> impl Iterator<Item = (String, &str)> {
    uri.query().unwrap_or_default().split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.replace("%24", "$").to_ascii_lowercase(), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-9
    #[test]
    fn the_largest_page_is_asked_for_where_it_is_known_and_nothing_is_said() {
        let base = Base::parse("https://graph.example/v1.0", false).unwrap();
        let sized = |path: &str| {
            let uri = base.resolve(path).unwrap();
            with_largest(&uri, &base).and_then(|uri| Some(uri.query()?.to_owned()))
        };
        for (path, expected) in [
            ("/users", Some("$top=999")),
            ("/Users?$select=id", Some("$select=id&$top=999")),
            ("/users?$select=id,signInActivity", Some("$select=id,signInActivity&$top=120")),
            ("/groups/1/members", Some("$top=999")),
            ("/users?$top=5", None),
            ("/users?%24top=5", None),
            ("/users?$skiptoken=x", None),
            ("/users?$expand=manager", None),
            ("/users/delta", None),
            ("/users/$count", None),
            ("/users/1", None),
            ("/reports", None),
        ] {
            assert_eq!(sized(path).as_deref(), expected, "{path}");
        }
        let other = Base::parse("https://api.example/", false).unwrap();
        assert_eq!(with_largest(&other.resolve("/users").unwrap(), &other), None);
    }
}
