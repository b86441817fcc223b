//! Which requests meet a fault: drawn by a seed, or laid out for the next request to a route.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use serde::{Deserialize, Serialize};

use super::kind::{FaultKind, Target};

/// How many different requests are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// Faults drawn at random, the same for the same seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaultScript {
    pub(crate) seed: u64,
    /// The share of requests that meet a fault, from 0 to 1.
    pub(crate) rate: f64,
    /// What may happen; a kind that does not fit a request does not happen to it.
    pub(crate) kinds: Vec<FaultKind>,
    /// The path that requests must begin with to be met.
    pub(crate) path: String,
}

/// A fault for the next requests to a route.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneShot {
    /// The name of the kind.
    pub(crate) kind: String,
    /// Any method if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// What the path must begin with.
    #[serde(default = "root")]
    pub(crate) path: String,
    /// How many requests it is still for.
    #[serde(default = "once")]
    pub(crate) times: u32,
}

/// What has happened to whom, and what is laid out.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    laid_out: Mutex<Vec<(FaultKind, OneShot)>>,
    /// How often each request was made since the script was last changed.
    attempts: Mutex<HashMap<u64, u64>>,
}

/// A request as the choice of a fault sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) target: Target,
    pub(crate) method: &'a Method,
    pub(crate) path_and_query: &'a str,
}

impl Faults {
    /// Lays a fault out for the next requests to a route.
    pub(crate) fn lay_out(&self, fault: OneShot) -> Result<(), String> {
        let kind = fault.kind.parse()?;
        if !fault.path.starts_with('/') {
            return Err("`path` does not begin with a slash".to_owned());
        }
        if fault.times == 0 {
            return Err("`times` is zero: a fault happens at least once".to_owned());
        }
        self.laid_out().push((kind, fault));
        Ok(())
    }

    /// What is laid out and has not happened yet.
    pub(crate) fn waiting(&self) -> Vec<OneShot> {
        self.laid_out().iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// Forgets what is laid out and how often each request was made: the script begins anew.
    pub(crate) fn clear(&self) {
        self.laid_out().clear();
        self.attempts().clear();
    }

    /// The fault that a request meets, if any. What was laid out goes first.
    pub(crate) fn choose(&self, script: &FaultScript, candidate: Candidate<'_>) -> Option<FaultKind> {
        self.take(candidate).or_else(|| self.draw(script, candidate))
    }

    fn take(&self, candidate: Candidate<'_>) -> Option<FaultKind> {
        let mut laid_out = self.laid_out();
        let index = laid_out.iter().position(|(kind, fault)| {
            let is_method = fault.method.as_ref();
            is_method.is_none_or(|it| it.eq_ignore_ascii_case(candidate.method.as_str()))
                && candidate.path_and_query.starts_with(&fault.path)
                && candidate.fits(*kind)
        })?;
        let (kind, fault) = &mut laid_out[index];
        let kind = *kind;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            laid_out.remove(index);
        }
        Some(kind)
    }

    /// Whether a fault happens depends on the request and on how often it was made, not on what others do meanwhile:
    /// clients that work in parallel meet the same faults each time.
    fn draw(&self, script: &FaultScript, candidate: Candidate<'_>) -> Option<FaultKind> {
        if script.rate <= 0.0 || !candidate.path_and_query.starts_with(&script.path) {
            return None;
        }
        let request = fnv(&[candidate.method.as_str(), &shape(candidate.path_and_query)]);
        let attempt = {
            let mut attempts = self.attempts();
            if attempts.len() >= MAX_REMEMBERED && !attempts.contains_key(&request) {
                attempts.clear();
            }
            let attempt = attempts.entry(request).or_default();
            *attempt += 1;
            *attempt
        };
        let mut random = SplitMix(script.seed ^ request.rotate_left(17) ^ attempt.wrapping_mul(0x9E37_79B9));
        // 53 bits are what a double holds exactly.
        let unit = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        if unit >= script.rate {
            return None;
        }
        let fitting: Vec<FaultKind> = script.kinds.iter().copied().filter(|it| candidate.fits(*it)).collect();
        let index = random.next().checked_rem(fitting.len() as u64)?;
        fitting.get(usize::try_from(index).ok()?).copied()
    }

    fn laid_out(&self) -> MutexGuard<'_, Vec<(FaultKind, OneShot)>> {
        self.laid_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Candidate<'_> {
    fn fits(&self, kind: FaultKind) -> bool {
        kind.fits(self.target, self.method, self.path_and_query)
    }
}

impl Default for FaultScript {
    fn default() -> Self {
        Self { seed: 1, rate: 0.0, kinds: FaultKind::ALL.to_vec(), path: "/graph/".to_owned() }
    }
}

/// A request without what no two tenants have in common: the tenant's id where a path begins with it, and where a page or
/// a round of changes begins. One page after the other is one request more.
fn shape(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = match path.trim_start_matches('/').split_once('/') {
        Some((first, rest)) if uuid::Uuid::try_parse(first).is_ok() => format!("/*/{rest}"),
        _ => path.to_owned(),
    };
    let is_token = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with("skiptoken") || name.ends_with("deltatoken")
    };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_token(name) => name,
        _ => parameter,
    });
    format!("{path}?{}", parameters.collect::<Vec<_>>().join("&"))
}

fn root() -> String {
    "/".to_owned()
}

fn once() -> u32 {
    1
}

/// FNV-1a: the same on every machine and in every version, as a script has to be.
fn fnv(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path_and_query: &str) -> Candidate<'_> {
        Candidate { target: Target::Directory, method: &Method::GET, path_and_query }
    }

    fn drawn(seed: u64) -> Vec<Option<FaultKind>> {
        let script = FaultScript { seed, rate: 0.3, ..FaultScript::default() };
        let faults = Faults::default();
        (0..300).map(|n| faults.choose(&script, get(&format!("/graph/v1.0/users?n={}", n % 100)))).collect()
    }

    // CH-1
    #[test]
    fn the_same_seed_draws_the_same_faults_at_the_rate() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let share = drawn(7).iter().flatten().count();
        assert!((60..120).contains(&share), "{share} of 300");
    }

    // CH-1
    #[test]
    fn what_differs_from_tenant_to_tenant_changes_no_draw() {
        let script = FaultScript { rate: 0.5, path: "/".into(), ..FaultScript::default() };
        let drawn = |tenant: &str, token: &str| {
            let faults = Faults::default();
            let page = |n: u32| format!("/graph/v1.0/users?$select=id&$skiptoken={token}{n}");
            let mut drawn: Vec<_> = (0..50).map(|n| faults.choose(&script, get(&page(n)))).collect();
            let token_endpoint = format!("/{tenant}/oauth2/v2.0/token");
            drawn.extend((0..50).map(|_| faults.choose(&script, get(&token_endpoint))));
            drawn
        };
        let one = drawn("11111111-1111-4111-8111-111111111111", "abc");
        assert_eq!(one, drawn("22222222-2222-4222-8222-222222222222", "xyz"));
        let of_pages = one[..50].iter().flatten().count();
        assert!((10..40).contains(&of_pages), "each page has a fate of its own: {of_pages}");
    }

    // CH-1
    #[test]
    fn what_others_do_meanwhile_changes_nothing() {
        let script = FaultScript { rate: 0.5, ..FaultScript::default() };
        let path = "/graph/v1.0/users";
        let alone = Faults::default();
        let alone: Vec<_> = (0..50).map(|_| alone.choose(&script, get(path))).collect();
        let among = Faults::default();
        let other = |n: u32| format!("/graph/v1.0/groups?n={n}");
        let among: Vec<_> = (0..50)
            .map(|n| {
                among.choose(&script, get(&other(n)));
                among.choose(&script, get(path))
            })
            .collect();
        assert_eq!(alone, among);
    }

    #[test]
    fn what_is_laid_out_happens_as_often_as_it_says_and_where_it_says() {
        let faults = Faults::default();
        let fault = OneShot {
            kind: "unavailable".into(),
            method: Some("get".into()),
            path: "/graph/v1.0/users".into(),
            times: 2,
        };
        faults.lay_out(fault).unwrap();
        let quiet = FaultScript::default();
        assert_eq!(faults.choose(&quiet, get("/graph/v1.0/groups")), None);
        assert_eq!(
            faults.choose(&quiet, Candidate { method: &Method::POST, ..get("/graph/v1.0/users") }),
            None
        );
        for _ in 0..2 {
            assert_eq!(faults.choose(&quiet, get("/graph/v1.0/users?$top=5")), Some(FaultKind::Unavailable));
        }
        assert_eq!(faults.choose(&quiet, get("/graph/v1.0/users")), None);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_script_keeps_to_its_path_and_to_what_fits() {
        let faults = Faults::default();
        let kinds = vec![FaultKind::InnerThrottled, FaultKind::Gone];
        let script = FaultScript { rate: 1.0, kinds, ..FaultScript::default() };
        assert_eq!(faults.choose(&script, get("/graph/v1.0/users")), None);
        let next = get("/graph/v1.0/users?$skiptoken=x");
        assert_eq!(faults.choose(&script, next), Some(FaultKind::Gone));
        let elsewhere = Candidate { target: Target::Authority, ..get("/t/oauth2/v2.0/token") };
        assert_eq!(faults.choose(&script, elsewhere), None);
    }
}
