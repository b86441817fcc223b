//! A client with a store that helps, is empty, lies, fails or sleeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use unattended_core::{HttpClient, ManualClock, Scope, Secret, TenantId};

use super::*;
use crate::test_support::Server;
use crate::{
    Authority, ClientSecret, Cloud, ConfidentialClient, FetchReason, Freshness, ScopedToken, TokenOrigin,
};

/// What several clients share.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    entries: HashMap<String, Vec<u8>>,
    fails: bool,
    sleeps: bool,
    asked: usize,
}

impl Shelf {
    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    async fn attempt(&self) -> Result<(), StoreError> {
        let (fails, sleeps) = self.with(|contents| {
            contents.asked += 1;
            (contents.fails, contents.sleeps)
        });
        if sleeps {
            std::future::pending::<()>().await;
        }
        if fails { Err(StoreError::new("scripted")) } else { Ok(()) }
    }
}

impl TokenStore for Shelf {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            self.attempt().await?;
            Ok(self.with(|contents| contents.entries.get(key.as_str()).cloned()))
        })
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        _: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.attempt().await?;
            self.with(|contents| contents.entries.insert(key.as_str().to_owned(), sealed));
            Ok(())
        })
    }
}

fn process(server: &Arc<Server>, clock: &ManualClock, shelf: &Shelf) -> ScopedToken {
    let tenant = TenantId::parse("contoso.example").unwrap();
    ConfidentialClient::builder(
        Authority::cloud(Cloud::Public, &tenant),
        unattended_core::ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s3cret-canary")).unwrap())
    .http(Arc::clone(server) as Arc<dyn HttpClient>)
    .clock(Arc::new(clock.clone()))
    .store(shelf.clone(), SealingKeys::new(&[Secret::new([1; 32])]).unwrap())
    .build()
    .unwrap()
    .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
    .unwrap()
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

// Case 88 of the peers' suites.
#[tokio::test]
async fn another_process_finds_the_token_of_the_first_and_sends_nothing() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    server.token("token-canary", 3_600);
    process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
    settle().await;
    clock.advance(Duration::from_secs(60));
    let second = process(&server, &clock, &shelf);
    let token = second.acquire(Freshness::Cached).await.unwrap();
    assert_eq!((token.expose(), token.origin()), ("token-canary", TokenOrigin::Store));
    assert_eq!((token.attempts(), token.fetch_reason()), (0, FetchReason::Absent));
    assert_eq!(second.acquire(Freshness::Cached).await.unwrap().origin(), TokenOrigin::Memory);
    assert_eq!(server.requests().len(), 1);

    // Case 90: nothing in the store can be read.
    let entries = shelf.with(|contents| contents.entries.clone());
    for (key, sealed) in entries {
        assert!(!key.contains("contoso") && !sealed.windows(6).any(|window| window == b"canary"));
    }
}

// D7
#[tokio::test]
async fn a_token_out_of_the_store_is_renewed_when_its_first_owner_would_have_done_so() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    server.token("old", 86_400);
    let first = process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
    settle().await;
    let second = process(&server, &clock, &shelf);
    let token = second.acquire(Freshness::Cached).await.unwrap();
    let apart = first.refresh_at().duration_since(token.refresh_at()).unwrap();
    assert!(apart < Duration::from_secs(1), "whole seconds are kept");
    clock.advance(Duration::from_secs(43_200));
    assert_eq!(second.acquire(Freshness::Cached).await.unwrap().expose(), "old");
    settle().await;
    assert_eq!(
        server.requests().len(),
        2,
        "the half of a life is not forgotten on the way through the store"
    );
}

#[tokio::test]
async fn one_process_renews_for_all() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    let [first, second] = [0, 1].map(|_| process(&server, &clock, &shelf));
    server.token("old", 3_600);
    for scoped in [&first, &second] {
        scoped.acquire(Freshness::Cached).await.unwrap();
        settle().await;
    }
    clock.advance(Duration::from_secs(1_900));
    server.token("new", 3_600);
    for scoped in [&first, &second] {
        scoped.acquire(Freshness::Cached).await.unwrap();
        settle().await;
        assert_eq!(scoped.acquire(Freshness::Cached).await.unwrap().expose(), "new");
    }
    assert_eq!(server.requests().len(), 2);
}

// Cases 85 and 86 of the peers' suites.
#[tokio::test]
async fn a_store_that_is_damaged_stale_failing_or_asleep_costs_nothing_but_its_help() {
    type Spoil = fn(&mut Contents);
    let spoils: [(&str, Spoil, u64); 5] = [
        ("damaged", |contents| contents.entries.values_mut().for_each(|sealed| sealed[40] ^= 1), 0),
        ("cut", |contents| contents.entries.values_mut().for_each(|sealed| sealed.truncate(3)), 0),
        ("stale", |_| {}, 3_600),
        ("failing", |contents| contents.fails = true, 0),
        ("asleep", |contents| contents.sleeps = true, 0),
    ];
    for (what, spoil, later) in spoils {
        let (server, clock) = (Arc::new(Server::new()), ManualClock::self_advancing_at(1_000));
        let shelf = Shelf::default();
        server.token("t1", 3_600);
        process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
        settle().await;
        shelf.with(spoil);
        clock.advance(Duration::from_secs(later));
        server.token("t2", 3_600);
        let second = process(&server, &clock, &shelf);
        let token = second.acquire(Freshness::Cached).await.unwrap();
        assert_eq!((token.expose(), token.origin()), ("t2", TokenOrigin::Server), "{what}");
        settle().await;
        if matches!(what, "damaged" | "cut" | "stale") {
            let third = process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
            assert_eq!((third.expose(), third.origin()), ("t2", TokenOrigin::Store), "overwritten: {what}");
        } else {
            let asked = shelf.with(|contents| contents.asked);
            server.token("t3", 3_600);
            second.acquire(Freshness::Forced).await.unwrap();
            settle().await;
            assert_eq!(shelf.with(|contents| contents.asked), asked, "left alone for a while: {what}");
            assert_eq!(second.client().store_statistics().unwrap().failures, 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_store_never_answers_a_refusal() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    let scoped = process(&server, &clock, &shelf);
    server.token("revoked", 3_600);
    scoped.acquire(Freshness::Cached).await.unwrap();
    settle().await;
    server.token("new", 3_600);
    assert_eq!(scoped.acquire(Freshness::Forced).await.unwrap().expose(), "new");
}
