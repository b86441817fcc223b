//! A client with a store that helps, is empty, lies, fails or sleeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use unattended_core::{HttpClient, ManualClock, Scope, Secret, TenantId, TokenDemand, TokenSource};

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
    /// Until when the newest entry is of use.
    expires_at: Option<SystemTime>,
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
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.attempt().await?;
            self.with(|contents| {
                contents.expires_at = Some(expires_at);
                contents.entries.insert(key.as_str().to_owned(), sealed);
            });
            Ok(())
        })
    }
}

fn process(server: &Arc<Server>, clock: &ManualClock, shelf: &Shelf) -> ScopedToken {
    application(server, clock, shelf, "22222222-2222-2222-2222-222222222222")
        .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
        .unwrap()
}

fn application(
    server: &Arc<Server>,
    clock: &ManualClock,
    shelf: &Shelf,
    client_id: &str,
) -> ConfidentialClient {
    ConfidentialClient::builder(
        Authority::cloud(Cloud::Public, &TenantId::parse("contoso.example").unwrap()),
        unattended_core::ClientId::parse(client_id).unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s3cret-canary")).unwrap())
    .http(Arc::clone(server) as Arc<dyn HttpClient>)
    .clock(Arc::new(clock.clone()))
    .store(shelf.clone(), SealingKeys::new(&[Secret::new([1; 32])]).unwrap())
    .build()
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

#[tokio::test]
async fn who_ends_after_the_first_token_can_wait_until_the_store_has_it_or_gave_up() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    let client = application(&server, &clock, &shelf, "22222222-2222-2222-2222-222222222222");
    let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
    client.store_settled().await;
    server.token("t1", 3_600);
    graph.acquire(Freshness::Cached).await.unwrap();
    client.store_settled().await;
    assert_eq!(shelf.with(|contents| contents.entries.len()), 1);

    shelf.with(|contents| contents.sleeps = true);
    server.token("t2", 3_600);
    graph.acquire(Freshness::Forced).await.unwrap();
    let settled = tokio::spawn(async move { client.store_settled().await });
    settle().await;
    assert!(!settled.is_finished());
    clock.advance(Duration::from_millis(250));
    settled.await.unwrap();
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

// 45 (section 3.3)
#[tokio::test]
async fn a_process_that_has_nothing_in_memory_yet_gets_a_new_token_too_when_it_wants_one() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    server.token("old", 3_600);
    process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
    settle().await;
    server.token("new", 3_600);
    let token = process(&server, &clock, &shelf).acquire(Freshness::Forced).await.unwrap();
    assert_eq!((token.expose(), token.origin()), ("new", TokenOrigin::Server));
    assert_eq!(token.fetch_reason(), FetchReason::Forced);
    settle().await;
    let next = process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
    assert_eq!((next.expose(), next.origin()), ("new", TokenOrigin::Store));
}

// D13
#[tokio::test]
async fn who_joins_a_request_that_the_store_answers_does_not_get_the_token_back_that_was_refused() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    server.token("revoked", 3_600);
    let refused = process(&server, &clock, &shelf).authorization(TokenDemand::Live).await.unwrap();
    settle().await;
    // A process whose memory has lost it, and two callers: the second one was told that it is good no more.
    let scoped = process(&server, &clock, &shelf);
    server.token("new", 3_600);
    let demand = TokenDemand::Newer { refused, claims: None };
    let (first, second) = tokio::join!(scoped.authorization(TokenDemand::Live), scoped.authorization(demand));
    assert_eq!(first.unwrap().expose_token(), "revoked", "nobody has told the first one");
    assert_eq!(second.unwrap().expose_token(), "new");
    assert_eq!(server.requests().len(), 2);
}

// 84 (section 3.7): each entry is a token, so nothing has to be suggested
#[tokio::test]
async fn a_store_is_told_until_when_each_entry_is_of_use() {
    for lifetime in [86_400, 3_600, 120] {
        let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
        server.token("t1", lifetime);
        let token = process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
        settle().await;
        assert_eq!(shelf.with(|contents| contents.expires_at), Some(token.expires_at()));
        assert_eq!(token.expires_at(), std::time::UNIX_EPOCH + Duration::from_secs(1_000 + lifetime));
    }
}

// 24, 88, 89 (sections 3.2 and 3.7)
#[tokio::test]
async fn applications_tenants_and_scopes_share_a_store_and_no_token_and_nothing_is_written_twice() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    let mut issued = Vec::new();
    for pass in 0..2 {
        let mut found = Vec::new();
        for client_id in ["22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"] {
            // A new process each time: its memory is empty.
            let application = application(&server, &clock, &shelf, client_id);
            for tenant in ["contoso.example", "fabrikam.example"] {
                let application = application.for_tenant(&TenantId::parse(tenant).unwrap()).unwrap();
                for resource in ["https://graph.microsoft.com", "https://vault.azure.net"] {
                    let tokens = application.for_scope(Scope::default_of(resource).unwrap()).unwrap();
                    if pass == 0 {
                        server.token(&format!("t{}", found.len()), 3_600);
                    }
                    let token = tokens.acquire(Freshness::Cached).await.unwrap();
                    settle().await;
                    let origin = if pass == 0 { TokenOrigin::Server } else { TokenOrigin::Store };
                    assert_eq!(token.origin(), origin);
                    found.push(token.expose().to_owned());
                    // What came from the store is in memory now.
                    let asked = shelf.with(|contents| contents.asked);
                    let again = tokens.acquire(Freshness::Cached).await.unwrap();
                    assert_eq!((again.expose(), again.origin()), (token.expose(), TokenOrigin::Memory));
                    assert_eq!(shelf.with(|contents| contents.asked), asked);
                }
            }
        }
        if pass == 0 {
            issued = found;
        } else {
            assert_eq!(found, issued);
        }
    }
    assert_eq!((server.requests().len(), shelf.with(|contents| contents.entries.len())), (8, 8));
    // Eight times looked for and written, and eight times found and not written again.
    assert_eq!(shelf.with(|contents| contents.asked), 24);
}

// 90 (section 3.7)
#[tokio::test]
async fn what_is_stored_holds_the_token_and_neither_a_secret_nor_a_refresh_token() {
    let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
    server.answer(200, r#"{"access_token":"t1","expires_in":3600,"refresh_token":"refresh-canary"}"#);
    process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
    settle().await;
    let keys = SealingKeys::new(&[Secret::new([1; 32])]).unwrap();
    let (name, sealed) = shelf.with(|contents| contents.entries.clone().into_iter().next().unwrap());
    let plain = String::from_utf8(keys.open(&name, &sealed).unwrap().to_vec()).unwrap();
    assert!(plain.contains(r#""token":"t1""#) && !plain.contains("canary"), "{plain}");
}

// 87 (section 3.7)
#[tokio::test]
async fn what_a_later_version_adds_is_read_over_and_what_no_calendar_has_is_a_miss() {
    let keys = SealingKeys::new(&[Secret::new([1; 32])]).unwrap();
    for (times, is_read) in [
        (r#""issued_at":1000,"expires_at":4600,"refresh_at":2800"#, true),
        (r#""issued_at":0,"expires_at":18446744073709551615,"refresh_at":18446744073709551615"#, false),
        (r#""issued_at":18446744073709551615,"expires_at":4600,"refresh_at":2800"#, false),
        // From a clock that is an hour ahead.
        (r#""issued_at":4600,"expires_at":8200,"refresh_at":6400"#, false),
        (r#""issued_at":-1,"expires_at":4600,"refresh_at":2800"#, false),
    ] {
        let (server, clock, shelf) = (Arc::new(Server::new()), ManualClock::at(1_000), Shelf::default());
        let tokens = process(&server, &clock, &shelf);
        server.token("from the server", 3_600);
        tokens.acquire(Freshness::Cached).await.unwrap();
        settle().await;
        let record = format!(r#"{{"token":"stored",{times},"correlation_id":"c","of_a_later_version":[1]}}"#);
        shelf.with(|contents| {
            for (name, sealed) in &mut contents.entries {
                *sealed = keys.seal(name, record.as_bytes()).unwrap();
            }
        });
        server.token("from the server", 3_600);
        let token = process(&server, &clock, &shelf).acquire(Freshness::Cached).await.unwrap();
        assert_eq!(token.origin() == TokenOrigin::Store, is_read, "{times}");
    }
}
