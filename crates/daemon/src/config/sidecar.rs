//! `[sidecar]`: which local users may call what.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeTable;
use unattended_sidecar::{Grant, Route};

use super::diagnostic::{Mistake, Mistakes};
use super::model::Sidecar;
use super::reader::{Section, Text, list};
use super::suggestion::nearest;

const KEYS: &[&str] = &["allow"];
const ALLOW_KEYS: &[&str] = &["uid", "user", "apis", "routes", "lend-tokens"];

/// Where the machine's own users are. Those of a directory service have no line in it.
const USERS: &str = "/etc/passwd";

/// `apis` is every `[apis.NAME]`, whether or not it is right itself.
pub(super) fn sidecar(
    span: Range<usize>,
    table: &DeTable<'_>,
    apis: &[&str],
    mistakes: &mut Mistakes,
) -> Sidecar {
    let section = Section::open("[sidecar]", span, table, KEYS, mistakes);
    if !section.has("allow") {
        return Sidecar { allow: None };
    }
    let grants = section
        .tables("allow", mistakes)
        .into_iter()
        .filter_map(|(span, table)| grant(span, table, apis, mistakes))
        .collect();
    Sidecar { allow: Some(grants) }
}

fn grant(
    span: Range<usize>,
    table: &DeTable<'_>,
    known_apis: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Grant> {
    let section = Section::open("`allow` of [sidecar]", span, table, ALLOW_KEYS, mistakes);
    let uid = uid(&section, mistakes);
    let apis = apis(&section, known_apis, mistakes);
    let routes = section.has("routes").then(|| routes(&section, mistakes));
    let lend_tokens = section.flag("lend-tokens", mistakes);
    if lend_tokens && routes.is_some() {
        mistakes.add(Mistake::at(
            section.key_span("lend-tokens"),
            "`lend-tokens` stands beside `routes`",
            "a token opens every route of its API, whatever `routes` says",
            "remove `lend-tokens`, or remove `routes`",
        ));
    }
    Some(Grant { uid: uid?, apis: Some(apis?), routes, lend_tokens })
}

fn uid(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    match (section.has("uid"), section.has("user")) {
        (true, false) => section.number("uid", mistakes),
        (false, true) => section.text("user", mistakes).and_then(|user| uid_of(&user, mistakes)),
        (false, false) => {
            mistakes.add(section.missing(
                "user",
                "the operating system tells which user calls, and this says which one may",
                "user = \"app\"` or `uid = 1001",
            ));
            None
        }
        (true, true) => {
            mistakes.add(Mistake::at(
                section.key_span("user"),
                "`user` stands beside `uid`",
                "both say who may call, and they could disagree",
                "keep one of the two",
            ));
            None
        }
    }
}

fn uid_of(user: &Text<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    // A machine without the file has no user that could be found in it.
    let users = std::fs::read(USERS).unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let names = || users.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    let line = users.lines().find(|line| line.split(':').next() == Some(user.value));
    let uid = line.and_then(|line| line.split(':').nth(2)?.parse().ok());
    if uid.is_none() {
        let fix = match nearest(user.value, names()) {
            Some(meant) => format!("write `user = \"{meant}\"`"),
            None => "write the number instead: `uid = ` and what `id -u NAME` prints".to_owned(),
        };
        mistakes.add(Mistake::at(
            user.span.clone(),
            format!("there is no user `{}`", user.value.escape_debug()),
            format!("{USERS} has no such line"),
            fix,
        ));
    }
    uid
}

fn apis(section: &Section<'_>, known: &[&str], mistakes: &mut Mistakes) -> Option<BTreeSet<String>> {
    if !section.has("apis") {
        mistakes.add(section.missing(
            "apis",
            "a user may call what is listed and nothing else",
            "apis = [\"graph\"]",
        ));
        return None;
    }
    let mut apis = BTreeSet::new();
    for text in section.texts("apis", mistakes) {
        if known.contains(&text.value) {
            apis.insert(text.value.to_owned());
            continue;
        }
        let fix = match nearest(text.value, known.iter().copied()) {
            Some(meant) => format!("write \"{meant}\""),
            None => format!("add [apis.{}] with `base-url` and `scope`, or use another API", text.value),
        };
        let why = match known {
            [] => "the file has no [apis.NAME] table".to_owned(),
            known => format!("the file has {}", list(known)),
        };
        mistakes.add(Mistake::at(text.span, format!("there is no API `{}`", text.value), why, fix));
    }
    Some(apis)
}

fn routes(section: &Section<'_>, mistakes: &mut Mistakes) -> Vec<Route> {
    let mut routes = Vec::new();
    for text in section.texts("routes", mistakes) {
        match Route::parse(text.value) {
            Ok(route) => routes.push(route),
            Err(error) => mistakes.add(Mistake::at(
                text.span,
                "a route of [sidecar] can allow nothing",
                error.to_string(),
                error.remedy(),
            )),
        }
    }
    routes
}
