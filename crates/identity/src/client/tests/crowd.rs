//! Many tenants and many callers at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::Semaphore;
use unattended_core::{BoxFuture, HttpClient, HttpError, ResponseBody};

use super::*;
use crate::token::FetchReason;

/// Answers at once, with a token that says for whom and for what it is and the how many-th one it is; or, while it is
/// closed, only once it is opened.
#[derive(Debug)]
struct Office {
    requests: AtomicUsize,
    is_closed: AtomicBool,
    door: Semaphore,
}

impl HttpClient for Office {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let n = self.requests.fetch_add(1, Relaxed) + 1;
            if self.is_closed.load(Relaxed) {
                let _open = self.door.acquire().await;
            }
            let form = form_urlencoded::parse(request.body()).into_owned();
            let asked: Vec<String> =
                form.filter(|(name, _)| matches!(&**name, "scope" | "x")).map(|(_, value)| value).collect();
            let tenant = request.uri().path().split('/').nth(1).unwrap();
            let token = format!("{tenant}~{}~{n}", asked.join("~").replace(['/', ':'], "_"));
            let body = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}"#);
            Ok(http::Response::new(ResponseBody::full(body)))
        })
    }
}

struct Town {
    office: Arc<Office>,
    clock: ManualClock,
    graph: ScopedToken,
}

impl Town {
    fn new() -> Self {
        let office = Arc::new(Office {
            requests: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            door: Semaphore::new(0),
        });
        let clock = ManualClock::at(1_000);
        let client = builder(&Arc::new(Server::new()), &clock)
            .credential(ClientSecret::new(Secret::from("s")).unwrap())
            .http(Arc::clone(&office) as _)
            .build()
            .unwrap();
        let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
        Self { office, clock, graph }
    }

    fn requests(&self) -> usize {
        self.office.requests.load(Relaxed)
    }
}

fn tenant(n: usize) -> TenantId {
    TenantId::parse(&format!("00000000-0000-0000-0000-{:012}", n + 1)).unwrap()
}

// D1; 1, 22 (sections 3.1 and 3.2)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_tenants_at_once_get_each_its_own_token_and_a_second_pass_sends_nothing() {
    const TENANTS: usize = 10_000;
    let town = Town::new();
    for _ in 0..2 {
        let callers: Vec<_> = (0..TENANTS)
            .map(|n| {
                let graph = town.graph.clone();
                tokio::spawn(async move {
                    let tenant = tenant(n);
                    let token = graph.for_tenant(&tenant).unwrap().acquire(Freshness::Cached).await.unwrap();
                    assert!(
                        token.expose().starts_with(&tenant.to_string()),
                        "{} for {tenant}",
                        token.expose()
                    );
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(town.requests(), TENANTS);
    }
}

// D2; 3, 8 (section 3.1)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_thousand_callers_of_two_tenants_cause_two_renewals_and_none_of_them_waits() {
    let town = Town::new();
    let tokens = [0, 1].map(|n| town.graph.for_tenant(&tenant(n)).unwrap());
    for tokens in &tokens {
        tokens.acquire(Freshness::Cached).await.unwrap();
    }
    town.clock.advance(Duration::from_secs(1_801));
    // Whoever waited for a renewal now would wait for ever.
    town.office.is_closed.store(true, Relaxed);
    let callers: Vec<_> = (0..20_000)
        .map(|n| {
            let tokens = tokens[n % 2].clone();
            tokio::spawn(async move { tokens.acquire(Freshness::Cached).await.unwrap() })
        })
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        assert!(caller.await.unwrap().expose().starts_with(&tenant(n % 2).to_string()));
    }
    while town.requests() < 4 {
        tokio::task::yield_now().await;
    }
    town.office.door.add_permits(2);
    for (n, tokens) in tokens.iter().enumerate() {
        let renewed = loop {
            let token = tokens.acquire(Freshness::Cached).await.unwrap();
            if !token.expose().ends_with(&format!("~{}", n + 1)) {
                break token;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((renewed.fetch_reason(), renewed.origin()), (FetchReason::Due, TokenOrigin::Memory));
        assert!(
            renewed.expose().starts_with(&tenant(n).to_string()),
            "19: it is in the place of the one before"
        );
    }
    assert_eq!(town.requests(), 4);
}

// D8, D10; 20, 21, 29 and 30 (sections 3.1 and 3.2)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_differ_in_anything_share_neither_a_flight_nor_a_token() {
    let town = Town::new();
    let with = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .fold(town.graph.clone(), |tokens, (name, value)| tokens.with_parameter(name, value).unwrap())
    };
    let different = [
        with(&[]),
        with(&[("x", "1")]),
        with(&[("x", "1"), ("y", "2")]),
        with(&[("x", "12")]),
        with(&[("X", "1")]),
        with(&[("x", "")]),
        town.graph.with_claims(r#"{"access_token":{"a":null}}"#).unwrap(),
        town.graph.with_claims(r#"{"access_token":{"A":null}}"#).unwrap(),
    ];
    let callers: Vec<_> = different
        .iter()
        .cycle()
        .take(different.len() * 50)
        .cloned()
        .map(|tokens| tokio::spawn(async move { tokens.acquire(Freshness::Cached).await.unwrap() }))
        .collect();
    let mut issued = std::collections::HashSet::new();
    for caller in callers {
        issued.insert(caller.await.unwrap().expose().to_owned());
    }
    assert_eq!((issued.len(), town.requests()), (different.len(), different.len()));
    // The same in another order, and no claims at all.
    with(&[("y", "2"), ("x", "1")]).acquire(Freshness::Cached).await.unwrap();
    town.graph.with_claims("{}").unwrap().acquire(Freshness::Cached).await.unwrap();
    assert_eq!(town.requests(), different.len());
}

// D3; 4, 63 (sections 3.1 and 3.5)
#[tokio::test]
async fn an_issuer_whose_metadata_does_not_come_holds_up_no_other() {
    let tokens = |issuer: &str, server: &Arc<Server>| {
        ConfidentialClient::builder(Authority::issuer(issuer).unwrap(), ClientId::parse("app").unwrap())
            .credential(ClientSecret::new(Secret::from("s")).unwrap())
            .http(Arc::clone(server) as _)
            .clock(Arc::new(ManualClock::at(1_000)))
            .build()
            .unwrap()
            .for_scope(Scope::parse("things.read").unwrap())
            .unwrap()
    };
    let (silent, other) = (Arc::new(Server::new()), Arc::new(Server::new()));
    let stuck = tokens("https://silent.example", &silent);
    let stuck = tokio::spawn(async move { stuck.acquire(Freshness::Cached).await });
    settle().await;
    other.answer(200, r#"{"issuer":"https://other.example","token_endpoint":"https://other.example/token"}"#);
    other.token("t1", 3_600);
    tokens("https://other.example", &other).acquire(Freshness::Cached).await.unwrap();
    assert!(!stuck.is_finished() && silent.requests().len() == 1);
    stuck.abort();
}

// D9; 25 (section 3.2)
#[tokio::test]
async fn a_scope_of_several_values_is_one_key_in_any_order_and_with_repetitions() {
    let server = Arc::new(Server::new());
    server.answer(200, r#"{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token"}"#);
    server.token("t1", 3_600);
    let client = ConfidentialClient::builder(
        Authority::issuer("https://idp.example").unwrap(),
        ClientId::parse("app").unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s")).unwrap())
    .http(Arc::clone(&server) as _)
    .clock(Arc::new(ManualClock::at(1_000)))
    .build()
    .unwrap();
    for scope in ["b a", "a b", "a  b a"] {
        let tokens = client.for_scope(Scope::parse(scope).unwrap()).unwrap();
        assert_eq!(tokens.acquire(Freshness::Cached).await.unwrap().expose(), "t1");
    }
    assert_eq!((server.requests().len(), server.requests()[1].field("scope")), (2, Some("a b")));
    // What only the platform does not tell apart: the case of letters.
    server.token("t2", 3_600);
    let upper = client.for_scope(Scope::parse("A b").unwrap()).unwrap();
    assert_eq!(upper.acquire(Freshness::Cached).await.unwrap().expose(), "t2");
}
