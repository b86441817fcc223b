//! Queries that an API would refuse, or that do not mean what they seem to.

use crate::error::{Error, Kind};

/// Refuses what no delta query of users or groups may hold.
pub(super) fn check(path: &str) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::new(Kind::InvalidRequest(reason)).about_url(path));
    let (resource, query) = split(path);
    if !is_delta(path) {
        return refused("this is not a delta query: its path ends with /delta".to_owned());
    }
    if !["users", "groups"].contains(&collection(resource).as_str()) {
        return Ok(());
    }
    for name in names(query) {
        if ["$top", "$orderby", "$expand"].contains(&name.as_str()) {
            return refused(format!("a delta query of users or groups does not take {name}"));
        }
    }
    Ok(())
}

/// Whether a path is that of a delta query: `/users/delta?$select=id`, `/groups/microsoft.graph.delta()`.
#[must_use]
pub fn is_delta(path: &str) -> bool {
    let last = split(path).0.rsplit('/').next().unwrap_or_default();
    ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"]
        .iter()
        .any(|name| last.eq_ignore_ascii_case(name))
}

/// Whether a query asks for a link only, so that the first round tells what happens from now on.
pub(super) fn begins_now(path: &str) -> bool {
    split(path).1.split('&').any(|pair| pair.eq_ignore_ascii_case("$deltatoken=latest"))
}

/// The collection that a delta query is about: `users` of `/v1.0/users/delta`.
pub(super) fn collection(resource: &str) -> String {
    resource.rsplit('/').nth(1).unwrap_or_default().to_ascii_lowercase()
}

/// Path and query.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}

fn names(query: &str) -> impl Iterator<Item = String> {
    query.split('&').map(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        name.replace("%24", "$").to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // DL-7
    #[test]
    fn what_users_and_groups_refuse_is_refused_before_it_is_sent() {
        for fine in [
            "/users/delta",
            "/users/delta?$select=id&$deltaToken=latest",
            "groups/microsoft.graph.delta()?$select=members",
            "/me/mailFolders/inbox/messages/delta?$top=5",
        ] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        for (wrong, said) in [
            ("/users/delta?$top=5", "$top"),
            ("/users/delta?$select=id&%24OrderBy=x", "$orderby"),
            ("/groups/delta?$expand=members", "$expand"),
            ("/users", "/delta"),
        ] {
            assert!(check(wrong).unwrap_err().to_string().contains(said), "{wrong}");
        }
        assert!(begins_now("/users/delta?$select=id&$deltatoken=latest") && !begins_now("/users/delta"));
    }
}
