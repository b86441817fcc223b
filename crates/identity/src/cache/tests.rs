use unattended_core::Authorization;
use uuid::Uuid;

use super::*;
use crate::authority::{Authority, Cloud};
use crate::profile::Profile;
use crate::token::{FetchReason, Fetched, Term, Usage};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(&format!("{name}.example")).unwrap()
}

fn at(seconds: u64) -> Moment {
    let elapsed = Duration::from_secs(seconds);
    Moment { unix: elapsed, elapsed }
}

fn profile(scope: &str, resource: Option<&str>) -> Profile {
    Profile { scope: scope.into(), resource: resource.map(Into::into), ..Profile::default() }
}

/// A token that lives until the second `until`.
fn token(until: u64) -> Arc<Kept> {
    Arc::new(Kept {
        authorization: Authorization::bearer("t").unwrap(),
        shown: None,
        term: Term::from(at(0), Duration::from_secs(until), Duration::from_secs(until)),
        authority: Some(Authority::cloud(Cloud::Public, &tenant("a"))),
        usage: Usage::default(),
        correlation_id: Uuid::nil(),
        margin: 0,
        fetched: Fetched { reason: FetchReason::Absent, took: 0, network: 0, attempts: 1 },
        refresh_token: ArcSwapOption::empty(),
    })
}

fn cache(tokens: usize, bytes: usize) -> TokenCache {
    TokenCache::new(CacheLimits { tokens, bytes })
}

/// Keeps a token for `name` and forgets the handle.
fn keep(cache: &TokenCache, name: &str, until: u64, now: u64) {
    let entry = cache.entry(Some(&tenant(name)), &cache.profiles.intern(profile("s", None)));
    cache.keep(&entry, token(until), at(now));
    drop(entry);
    cache.make_room(at(now));
}

fn has(cache: &TokenCache, name: &str, now: u64) -> bool {
    let entry = cache.entry(Some(&tenant(name)), &cache.profiles.intern(profile("s", None)));
    entry.live(at(now), |_| true).is_some()
}

// D8, D10, D11
#[test]
fn keys_that_differ_in_any_part_have_entries_of_their_own() {
    let cache = cache(10, usize::MAX);
    let entry =
        |tenant: &TenantId, profile: Profile| cache.entry(Some(tenant), &cache.profiles.intern(profile));
    let plain = entry(&tenant("a"), profile("ab", None));
    assert!(Arc::ptr_eq(&plain, &entry(&tenant("a"), profile("ab", None))));
    let parameter = |name, value| profile("ab", None).with_parameter(name, value).unwrap();
    let others = [
        entry(&tenant("b"), profile("ab", None)),
        entry(&tenant("a"), profile("a", Some("b"))),
        entry(&tenant("a"), profile("ab", Some(""))),
        entry(&tenant("a"), profile("a", None)),
        entry(&tenant("a"), parameter("a", "1b2")),
        entry(&tenant("a"), parameter("a", "1").with_parameter("b", "2").unwrap()),
        entry(&tenant("a"), parameter("ab", "c")),
        entry(&tenant("a"), parameter("a", "bc")),
        entry(&tenant("a"), Profile { claims: Some("{}".into()), ..profile("ab", None) }),
    ];
    for (n, one) in others.iter().enumerate() {
        assert!(!Arc::ptr_eq(one, &plain));
        assert!(others.iter().skip(n + 1).all(|other| !Arc::ptr_eq(one, other)), "{:?}", one.key);
    }
}

#[test]
fn a_full_cache_drops_the_expired_first_and_then_what_was_not_used_for_longest() {
    let cache = cache(8, usize::MAX);
    keep(&cache, "expired", 10, 0);
    for n in 0..7 {
        keep(&cache, &format!("t{n}"), 1_000, n);
    }
    assert!(has(&cache, "t0", 20), "used again, so no longer the oldest");
    keep(&cache, "new", 1_000, 30);
    assert!(!has(&cache, "expired", 9), "gone although the clock would not say so yet");
    assert!(has(&cache, "t0", 30) && has(&cache, "new", 30) && !has(&cache, "t1", 30));
    let statistics = cache.statistics();
    assert_eq!((statistics.tokens, statistics.evicted_expired, statistics.evicted_live), (7, 1, 1));
    assert_eq!(statistics.bytes, 7 * token(0).bytes());
}

// D1
#[test]
fn the_memory_of_any_number_of_tenants_is_bounded_by_configuration() {
    let one = token(0).bytes();
    let cache = cache(usize::MAX, 100 * one);
    for n in 0..5_000 {
        keep(&cache, &format!("t{n}"), 10_000, n);
    }
    let statistics = cache.statistics();
    assert!(statistics.tokens <= 100 && statistics.bytes <= 100 * one, "{statistics:?}");
    assert_eq!(statistics.tokens as u64 + statistics.evicted_live, 5_000);
    assert!(cache.index.len() <= 100);
}

#[test]
fn entries_without_a_token_do_not_pile_up() {
    let cache = cache(10, usize::MAX);
    for n in 0..10_000 {
        cache.entry(Some(&tenant(&n.to_string())), &cache.profiles.intern(profile("s", None)));
    }
    assert!(cache.index.len() <= 1_024);
}

// 83 (section 3.6)
#[test]
fn the_memory_of_patience_that_is_over_does_not_pile_up() {
    use crate::flight::{Boarding, Patience};

    let cache = cache(10, usize::MAX);
    let profile = cache.profiles.intern(profile("s", None));
    for n in 0..5_000 {
        let entry = cache.entry(Some(&tenant(&n.to_string())), &profile);
        let now = Duration::from_secs(n);
        let Boarding::Start { pilot, .. } = entry.flights.board(now, 0, None, || None::<()>) else {
            panic!()
        };
        let error = crate::Error::of_outage("busy", None);
        let patience =
            Patience { until: now + Duration::from_secs(60), credential_epoch: 0, error: error.clone() };
        entry.flights.land(pilot, Err(error), now, Some(patience), |_| {});
        drop(entry);
        cache.make_room(at(n));
        assert!(cache.index.len() <= 1_024 + 60, "{n}: {}", cache.index.len());
    }
    // What still counts is kept.
    let last = cache.entry(Some(&tenant("4999")), &profile);
    let boarded = last.flights.board(Duration::from_secs(5_000), 0, None, || None::<()>);
    assert!(matches!(boarded, Boarding::Refused(_)));
}

#[test]
fn a_handle_keeps_its_entry_when_the_token_is_evicted() {
    let cache = cache(1, usize::MAX);
    let profile = cache.profiles.intern(profile("s", None));
    let held = cache.entry(Some(&tenant("held")), &profile);
    cache.keep(&held, token(100), at(0));
    keep(&cache, "other", 100, 1);
    assert!(held.live(at(1), |_| true).is_none());
    assert!(Arc::ptr_eq(&held, &cache.entry(Some(&tenant("held")), &profile)));
}
