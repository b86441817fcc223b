//! What is asked for: the addresses of a collection's parts, of its size, of what changes in it.

use std::fmt::Write as _;

use super::part::Part;
use crate::error::{Error, Kind};
use crate::origin::Base;
use crate::pages::largest_page;

/// Collections of the directory that have delta queries, with a property that each of their objects has.
const COLLECTIONS: [(&str, &str); 6] = [
    ("users", "userPrincipalName"),
    ("groups", "displayName"),
    ("applications", "displayName"),
    ("servicePrincipals", "displayName"),
    ("devices", "displayName"),
    ("contacts", "displayName"),
];

/// How many ids one filter may name.
pub(super) const IDS: usize = 15;

/// A query that can be asked for part by part.
#[derive(Debug)]
pub(super) struct Plan {
    resource: String,
    /// The options that every request repeats, as they were given.
    options: Vec<String>,
    select: Option<String>,
    /// The caller's own filter, as it was given.
    filter: Option<String>,
    property: String,
    page: Option<u64>,
    has_delta: bool,
}

impl Plan {
    /// Reads a path; `by` is the property to divide by, of any collection of any API.
    pub(super) fn of(path: &str, by: Option<&str>, base: &Base) -> Result<Self, Error> {
        let refused = |reason: String| Err(Error::new(Kind::NotDivisible(reason)).about_url(path));
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let uri = base.resolve(resource)?;
        let below = uri.path().strip_prefix(base.path()).unwrap_or_default().trim_matches('/');
        let known = COLLECTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(below));
        let property = match (by, known) {
            (Some(by), _) if is_name(by) => by,
            (Some(by), _) => {
                return refused(format!("`{}` is not the name of a property", by.escape_debug()));
            }
            (None, Some((_, property))) => property,
            (None, None) => {
                let names = COLLECTIONS.map(|(name, _)| name).join(", ");
                return refused(format!(
                    "only whole collections of the directory ({names}) can be read in parallel"
                ));
            }
        };
        let mut plan = Self {
            resource: resource.to_owned(),
            options: Vec::new(),
            select: None,
            filter: None,
            property: property.to_owned(),
            page: largest_page(&uri, base).map(u64::from),
            has_delta: by.is_none(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = name.replace("%24", "$").to_ascii_lowercase();
            match name.as_str() {
                "$filter" => plan.filter = Some(value.to_owned()),
                "$top" => match value.parse() {
                    Ok(page) if page > 0 => plan.page = Some(page),
                    _ => return refused("`$top` is not a number of items".to_owned()),
                },
                "$count" => {}
                "$select" if !value.split([',', ' ']).any(|name| ["id", "*"].contains(&name)) => {
                    return refused(
                        "`$select` has to name `id`: by it the objects are told apart".to_owned(),
                    );
                }
                "$select" => plan.select = Some(pair.to_owned()),
                option if option.starts_with('$') && option != "$format" => {
                    return refused(format!("a collection cannot be read in parts with `{option}`"));
                }
                _ => plan.options.push(pair.to_owned()),
            }
        }
        Ok(plan)
    }

    pub(super) fn property(&self) -> &str {
        &self.property
    }

    /// How many items a page has, if that is known beforehand.
    pub(super) fn page(&self) -> Option<u64> {
        self.page
    }

    /// Asks how many objects there are in all.
    pub(super) fn count(&self) -> String {
        let mut path = format!("{}/$count", self.resource.trim_end_matches('/'));
        if let Some(filter) = &self.filter {
            _ = write!(path, "?$filter={filter}");
        }
        path
    }

    /// Asks for a link that later tells what has changed from now on.
    pub(super) fn changes(&self) -> Option<String> {
        let select = self.select.iter().flat_map(|select| ["&", select]).collect::<String>();
        let resource = self.resource.trim_end_matches('/');
        self.has_delta.then(|| format!("{resource}/delta?$deltaToken=latest{select}"))
    }

    /// Asks for the first page of a part.
    pub(super) fn part(&self, part: &Part) -> String {
        let mut query = self.query(part.filter(&self.property));
        query.push("$count=true".to_owned());
        query.extend(self.page.map(|page| format!("$top={page}")));
        format!("{}?{}", self.resource, query.join("&"))
    }

    /// Asks for some objects as they are now, as far as they belong to the collection still.
    pub(super) fn objects(&self, ids: &[String]) -> String {
        let ids: Vec<String> = ids.iter().map(|id| literal(id)).collect();
        let mut query = self.query(Some(format!("id%20in%20({})", ids.join(","))));
        if self.filter.is_some() {
            query.push("$count=true".to_owned());
        }
        format!("{}?{}", self.resource, query.join("&"))
    }

    fn query(&self, filter: Option<String>) -> Vec<String> {
        let filter = match (&self.filter, filter) {
            (Some(own), Some(ours)) => Some(format!("({own})%20and%20{ours}")),
            (own, ours) => ours.or_else(|| own.clone()),
        };
        let options = self.options.iter().chain(&self.select).cloned();
        options.chain(filter.map(|filter| format!("$filter={filter}"))).collect()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/'))
}

/// A text as OData writes it (part 2, section 5.1.1.14.1), encoded for a query.
pub(super) fn literal(text: &str) -> String {
    let mut literal = "'".to_owned();
    for byte in text.replace('\'', "''").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'\'' => {
                literal.push(char::from(byte))
            }
            _ => _ = write!(literal, "%{byte:02X}"),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(path: &str) -> Result<Plan, Error> {
        Plan::of(path, None, &Base::parse("https://graph.example/v1.0", false).unwrap())
    }

    // PF-1, PF-4
    #[test]
    fn the_parts_keep_what_was_asked_for_and_add_their_own_condition() {
        let users = plan("/users?$select=id,mail&$filter=accountEnabled%20eq%20true").unwrap();
        let root = Part::whole();
        assert_eq!(
            users.part(&root),
            "/users?$select=id,mail&$filter=accountEnabled%20eq%20true&$count=true&$top=999"
        );
        assert_eq!(users.count(), "/users/$count?$filter=accountEnabled%20eq%20true");
        assert_eq!(users.changes().unwrap(), "/users/delta?$deltaToken=latest&$select=id,mail");
        assert_eq!(
            users.objects(&["a".to_owned(), "b'".to_owned()]),
            "/users?$select=id,mail&$filter=(accountEnabled%20eq%20true)%20and%20id%20in%20('a','b''')&$count=true"
        );
        let first = root.divide().unwrap().remove(0);
        assert_eq!(
            plan("users?%24top=40&x=1").unwrap().part(&first),
            "users?x=1&$filter=startswith(userPrincipalName,'a')&$count=true&$top=40"
        );
        assert_eq!(literal("it's 김"), "'it''s%20%EA%B9%80'");
    }

    // PF-4
    #[test]
    fn what_has_no_parts_is_refused_with_the_reason() {
        for (path, said) in [
            ("/users?$orderby=displayName", "$orderby"),
            ("/users?$search=%22a:b%22", "$search"),
            ("/users?%24Expand=manager", "$expand"),
            ("/users?$select=displayName", "`id`"),
            ("/users?$top=x", "$top"),
            ("/users/delta", "whole collections"),
            ("/groups/1/members", "whole collections"),
            ("/reports", "users, groups"),
        ] {
            let error = plan(path).unwrap_err();
            assert!(error.is_not_divisible() && error.to_string().contains(said), "{path}: {error}");
        }
        let base = Base::parse("https://api.example", false).unwrap();
        let things = Plan::of("/things", Some("name"), &base).unwrap();
        assert!(things.changes().is_none() && things.page().is_none() && things.property() == "name");
        assert!(Plan::of("/things", Some("a,b"), &base).is_err());
    }
}
