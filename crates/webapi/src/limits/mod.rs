//! What is known about the limits of an API before it has refused anything: data with a date.

mod pace;

use std::sync::{Arc, OnceLock};

use http::{Method, Uri};
use serde::Deserialize;

pub(crate) use self::pace::{Paces, TooLong};
use crate::error::{Error, Kind};

/// Documented limits of an API: what requests cost, and how many of a kind there may be in a time.
///
/// They change without notice, so they are data with the date they were read at. They are where a client begins: what the
/// API says itself (`x-ms-resource-unit`, `Retry-After`, `RateLimit-*`) is what holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    as_of: String,
    source: String,
    hosts: Vec<String>,
    costs: Vec<Cost>,
    paces: Vec<Pace>,
    #[serde(default)]
    workloads: Vec<Workload>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    /// `{}` is any one segment.
    path: String,
    units: u32,
}

/// So many requests in so many seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Pace {
    name: String,
    below: Vec<String>,
    /// Whether each path has a quota of its own.
    #[serde(default)]
    each_path: bool,
    requests: u32,
    seconds: u32,
}

/// A part of an API that throttles for itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Workload {
    name: String,
    below: Vec<String>,
    /// Whether each of what stands in the place of the first `{}`, such as a mailbox, has limits of its own.
    #[serde(default)]
    each: bool,
    /// How many requests may be under way at once.
    pub(crate) at_once: Option<u32>,
}

/// What is counted, and for whom: an application in a tenant.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Quota {
    pub(crate) owner: Arc<str>,
    /// Empty for the API as a whole.
    pub(crate) name: String,
}

impl Pace {
    /// How many requests may go together.
    pub(crate) fn at_once(&self) -> u32 {
        self.requests.max(1)
    }
}

impl Limits {
    /// Those of Microsoft Graph, as they were documented at [`as_of`](Self::as_of).
    #[must_use]
    pub fn microsoft_graph() -> Arc<Self> {
        static GRAPH: OnceLock<Arc<Limits>> = OnceLock::new();
        let read = || {
            let text = include_bytes!("microsoft-graph.json");
            Arc::new(serde_json::from_slice(text).expect("the tests read this file"))
        };
        Arc::clone(GRAPH.get_or_init(read))
    }

    /// Limits in the form of `crates/webapi/src/limits/microsoft-graph.json`.
    ///
    /// # Errors
    /// The text is something else.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(text)
            .map_err(|error| Error::new(Kind::Configuration("these are no limits".to_owned())).because(error))
    }

    /// When they were read, and where.
    #[must_use]
    pub fn as_of(&self) -> (&str, &str) {
        (&self.as_of, &self.source)
    }

    /// The limits that are known of an API at this address without being told.
    pub(crate) fn known_of(uri: &Uri) -> Option<Arc<Self>> {
        let graph = Self::microsoft_graph();
        let host = uri.host()?;
        graph.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)).then_some(graph)
    }

    /// What a request costs in resource units: `$select` makes it cheaper, `$expand` dearer, few rows cheaper.
    pub(crate) fn cost(&self, method: &Method, path: &str) -> u32 {
        let (resource, query) = unversioned(path);
        let known = self.costs.iter().find(|cost| matches(&cost.path, resource, false));
        let mut units = known.filter(|_| *method == Method::GET).map_or(1, |cost| i64::from(cost.units));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name.to_ascii_lowercase() {
                "$select" => units -= 1,
                "$expand" => units += 1,
                "$top" if value.parse::<u32>().is_ok_and(|rows| rows < 20) => units -= 1,
                _ => {}
            }
        }
        u32::try_from(units.max(1)).unwrap_or(1)
    }

    /// Which part of the API a request is for, and under which name that is throttled.
    pub(crate) fn workload(&self, path: &str) -> Option<(&Workload, String)> {
        let (resource, _) = unversioned(path);
        let (workload, template) = self.workloads.iter().find_map(|workload| {
            let template = workload.below.iter().find(|known| matches(known, resource, true))?;
            Some((workload, template))
        })?;
        let place = template.split('/').filter(|it| !it.is_empty()).position(|segment| segment == "{}");
        let filling = place.and_then(|place| resource.split('/').filter(|it| !it.is_empty()).nth(place));
        let name = match filling.filter(|_| workload.each) {
            // A person who is named once by an address and once by an id counts as two.
            Some(filling) => format!("{} {}", workload.name, filling.to_ascii_lowercase()),
            None => workload.name.clone(),
        };
        Some((workload, name))
    }

    /// What a request has to keep to, and under which name that is counted.
    pub(crate) fn pace(&self, path: &str) -> Option<(&Pace, String)> {
        let (resource, _) = unversioned(path);
        let is_below = |pace: &&Pace| pace.below.iter().any(|known| matches(known, resource, true));
        let pace = self.paces.iter().find(is_below)?;
        let name = if pace.each_path { format!("{} {resource}", pace.name) } else { pace.name.clone() };
        Some((pace, name))
    }
}

/// The name under which the cost of requests like this one is learned: identifiers are left out, and of the query
/// everything but the names.
pub(crate) fn template(method: &Method, path: &str) -> String {
    let (resource, query) = unversioned(path);
    let is_id =
        |segment: &str| segment.contains(['@', '(', '!']) || segment.contains(|it: char| it.is_ascii_digit());
    let mut template = method.to_string();
    for segment in resource.split('/').filter(|it| !it.is_empty()) {
        template.push('/');
        template.push_str(if is_id(segment) { "{}" } else { segment });
    }
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        template.push('&');
        template.push_str(&name);
    }
    template
}

/// Path and query below the version of the API.
pub(crate) fn unversioned(path: &str) -> (&str, &str) {
    let (resource, query) = path.split_once('?').unwrap_or((path, ""));
    let resource = ["/v1.0", "/beta"]
        .iter()
        .find_map(|version| resource.strip_prefix(version).filter(|rest| rest.starts_with('/')))
        .unwrap_or(resource);
    (resource, query)
}

pub(crate) fn matches(template: &str, resource: &str, or_below: bool) -> bool {
    let mut segments = resource.split('/').filter(|it| !it.is_empty());
    let fits = template.split('/').filter(|it| !it.is_empty()).all(|wanted| {
        segments.next().is_some_and(|given| wanted == "{}" || wanted.eq_ignore_ascii_case(given))
    });
    fits && (or_below || segments.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RL-4
    #[test]
    fn the_documented_costs_are_data() {
        let graph = Limits::microsoft_graph();
        for (path, units) in [
            ("/users", 2),
            ("/v1.0/users?$select=id", 1),
            ("/beta/users?$expand=manager", 3),
            ("/users?$top=5&$select=id", 1),
            ("/users?$top=999", 2),
            ("/users/1", 1),
            ("/groups/7f/members", 3),
            ("/groups/7f/transitiveMembers?$select=id", 4),
            ("/unknown", 1),
        ] {
            assert_eq!(graph.cost(&Method::GET, path), units, "{path}");
        }
        assert_eq!(graph.cost(&Method::POST, "/users"), 1);
        assert!(graph.as_of().0.starts_with("20"), "they have a date");
        let known = |uri: &str| Limits::known_of(&uri.parse().unwrap()).is_some();
        assert!(known("https://graph.microsoft.com/v1.0") && !known("https://graph.example/v1.0"));
        assert!(Limits::from_json(b"{}").is_err());
    }

    // RL-4
    #[test]
    fn small_quotas_have_a_pace() {
        let graph = Limits::microsoft_graph();
        let name = |path: &str| graph.pace(path).map(|(_, name)| name);
        assert_eq!(name("/v1.0/auditLogs/signIns?$top=1"), name("/auditLogs/directoryAudits"));
        assert_ne!(name("/reports/getA(period='D7')"), name("/reports/getB(period='D7')"));
        assert_eq!((name("/users"), name("/auditLogsOther")), (None, None));
    }

    // RL-1, BT-6
    #[test]
    fn parts_of_the_api_and_each_mailbox_are_throttled_for_themselves() {
        let graph = Limits::microsoft_graph();
        let of = |path: &str| graph.workload(path).map(|(workload, name)| (name, workload.at_once));
        let named = |name: &str, at_once| Some((name.to_owned(), at_once));
        assert_eq!(of("/v1.0/users/A@b.example/messages?$top=5"), named("outlook a@b.example", Some(4)));
        assert_eq!(of("/users/a@b.example/mailFolders/inbox"), named("outlook a@b.example", Some(4)));
        assert_eq!(of("/users/c@b.example/events/1"), named("outlook c@b.example", Some(4)));
        assert_eq!(of("/teams/7f/channels"), named("teams", None));
        assert_eq!(of("/users/1/drive/root"), of("/sites/x/lists"));
        assert_eq!(of("/sites/x/onenote/pages"), named("onenote", None));
        for of_the_directory in ["/users", "/users/1", "/groups/1/members", "/$batch", "/auditLogs/signIns"] {
            assert_eq!(of(of_the_directory), None, "{of_the_directory}");
        }
    }

    // RL-4
    #[test]
    fn what_is_learned_holds_for_requests_of_the_same_kind() {
        let template = |path: &str| template(&Method::GET, path);
        assert_eq!(
            template("/users/a@b/memberOf?$select=id"),
            template("/v1.0/users/7f-1/memberOf?$select=x")
        );
        assert_ne!(template("/users?$select=id"), template("/users"));
    }
}
