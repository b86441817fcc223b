//! Who is asked for what, and what is told about it.

use super::*;
use crate::token::FetchReason;

/// The tenants of an application that acts in many.
fn tenants(count: u64) -> impl Iterator<Item = TenantId> {
    (1..=count).map(|n| TenantId::parse(&format!("00000000-0000-0000-0000-{n:012}")).unwrap())
}

// D1, D2: case 1 of the peers' suites; the second pass sends nothing; 22 (section 3.2)
#[tokio::test]
async fn each_of_a_thousand_tenants_has_its_own_token_and_costs_one_request() {
    let house = House::new();
    for (n, tenant) in tenants(1_000).enumerate() {
        house.server.token(&format!("t{n}"), 3_600);
        let client = house.client.for_tenant(&tenant).unwrap();
        let graph = client.for_scope(house.graph().scope().clone()).unwrap();
        graph.acquire(Freshness::Cached).await.unwrap();
        assert!(house.server.requests()[n].uri.contains(&tenant.to_string()));
    }
    let graph = house.graph();
    for (n, tenant) in tenants(1_000).enumerate() {
        let token = graph.for_tenant(&tenant).unwrap().acquire(Freshness::Cached).await.unwrap();
        assert_eq!((token.expose(), token.origin()), (format!("t{n}").as_str(), TokenOrigin::Memory));
    }
    assert_eq!(house.server.requests().len(), 1_000);
    assert_eq!(house.client.cache_statistics().tokens, 1_000);
}

// D20: the patience that a server asks for is that of one tenant.
#[tokio::test]
async fn a_tenant_that_is_throttled_or_stuck_holds_up_no_other() {
    let house = House::new();
    let [one, two, three] = [1, 2, 3].map(|n| house.graph().for_tenant(&tenants(n).last().unwrap()).unwrap());
    house.server.answer_with(429, &[("retry-after", "600")], "");
    assert!(one.acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    let stuck = tokio::spawn(async move { two.acquire(Freshness::Cached).await });
    settle().await;
    let quick = tokio::spawn(async move { three.acquire(Freshness::Cached).await });
    settle().await;
    assert_eq!(house.server.requests().len(), 3);
    house.server.token("a", 3_600);
    house.server.token("b", 3_600);
    stuck.await.unwrap().unwrap();
    quick.await.unwrap().unwrap();
    assert!(one.acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    assert_eq!(house.server.requests().len(), 3, "the throttled tenant asked once");
}

// D14
#[tokio::test]
async fn capabilities_are_sent_merged_and_leave_the_cache_in_use() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let secret = ClientSecret::new(Secret::from("s")).unwrap();
    let client = builder(&server, &clock).credential(secret).capability("cp1").build().unwrap();
    let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
    server.token("t1", 3_600);
    graph.acquire(Freshness::Cached).await.unwrap();
    let refused = graph.acquire(Freshness::Cached).await.unwrap().authorization().clone();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        server.requests()[0].field("claims"),
        Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#)
    );
    server.token("t2", 3_600);
    let claims = Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#.to_owned());
    graph.authorization(TokenDemand::Newer { refused, claims }).await.unwrap();
    assert_eq!(
        server.requests()[1].field("claims"),
        Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}}}"#)
    );
    let token = graph.acquire(Freshness::Cached).await.unwrap();
    assert_eq!((token.expose(), token.fetch_reason()), ("t2", FetchReason::Claims), "the new one is cached");
}

// D8, D10; cases 29 to 32 of the peers' suites.
#[tokio::test]
async fn what_the_application_adds_to_the_request_is_sent_and_separates_tokens() {
    let house = House::new();
    let plain = house.graph();
    let one = plain.with_parameter("fmi_path", "a").unwrap().with_parameter("x", "1").unwrap();
    let same = plain.with_parameter("x", "1").unwrap().with_parameter("fmi_path", "a").unwrap();
    let claiming = plain.with_claims(r#"{"access_token":{"xms_az":null}}"#).unwrap();
    for (token, scoped) in [("plain", &plain), ("one", &one), ("claiming", &claiming)] {
        house.server.token(token, 3_600);
        scoped.acquire(Freshness::Cached).await.unwrap();
    }
    assert_eq!(same.acquire(Freshness::Cached).await.unwrap().expose(), "one");
    assert_eq!(plain.acquire(Freshness::Cached).await.unwrap().expose(), "plain");
    let requests = house.server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[1].field("fmi_path"), requests[1].field("x")), (Some("a"), Some("1")));
    assert_eq!(requests[2].field("claims"), Some(r#"{"access_token":{"xms_az":null}}"#));
    assert!(plain.with_parameter("scope", "other").is_err() && plain.with_claims("[]").is_err());
}

// Section 2 (oauth2-rs): RFC 6749 section 5.1 says 200, and gateways on the way say what they like.
#[tokio::test]
async fn a_token_that_comes_with_another_status_of_success_is_one() {
    for status in [201, 203, 299] {
        let house = House::new();
        house.server.answer(status, r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t1"}"#);
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t1");
        house.server.answer(status, "<html>");
        let error = house.vault().acquire(Freshness::Cached).await.unwrap_err();
        let told = format!("the token endpoint answered {status}, but with a web page");
        assert!(error.to_string().starts_with(&told), "{error}");
    }
}

#[tokio::test]
async fn a_federation_server_is_asked_by_resource() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let client = ConfidentialClient::builder(
        Authority::adfs("https://adfs.contoso.com/adfs").unwrap(),
        ClientId::parse("app").unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s")).unwrap())
    .http(Arc::clone(&server) as _)
    .clock(Arc::new(clock))
    .build()
    .unwrap();
    server.token("t1", 3_600);
    let api = client.for_scope(Scope::default_of("https://api.contoso.com/").unwrap()).unwrap();
    api.acquire(Freshness::Cached).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.uri, "https://adfs.contoso.com/adfs/oauth2/token");
    assert_eq!((request.field("resource"), request.field("scope")), (Some("https://api.contoso.com/"), None));
    assert_eq!(request.field("client_secret"), Some("s"));
    assert!(client.for_tenant(&tenants(1).last().unwrap()).is_err());
}

/// A client of another server, which gives refresh tokens.
fn with_refresh_tokens(server: &Arc<Server>, clock: &ManualClock) -> ScopedToken {
    server.answer(200, r#"{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token"}"#);
    server.answer(200, r#"{"access_token":"t1","expires_in":3600,"refresh_token":"r-canary"}"#);
    ConfidentialClient::builder(
        Authority::issuer("https://idp.example").unwrap(),
        ClientId::parse("app").unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s")).unwrap())
    .http(Arc::clone(server) as _)
    .clock(Arc::new(clock.clone()))
    .build()
    .unwrap()
    .for_scope(Scope::parse("things.read").unwrap())
    .unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_then_the_grant() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let things = with_refresh_tokens(&server, &clock);
    let token = things.acquire(Freshness::Cached).await.unwrap();
    assert!(!format!("{token:?}").contains("canary"));
    server.token("t2", 3_600);
    things.acquire(Freshness::Forced).await.unwrap();
    server.token("t3", 3_600);
    things.acquire(Freshness::Forced).await.unwrap();
    let grants = |n: usize| server.requests()[n].field("grant_type").unwrap().to_owned();
    assert_eq!(grants(2), "refresh_token");
    assert_eq!(server.requests()[2].field("refresh_token"), Some("r-canary"));
    assert_eq!(grants(3), "client_credentials");
}

#[tokio::test]
async fn a_refresh_token_that_is_refused_costs_one_more_request_and_no_failure() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let things = with_refresh_tokens(&server, &clock);
    things.acquire(Freshness::Cached).await.unwrap();
    server.answer(400, r#"{"error":"invalid_grant"}"#);
    server.token("t2", 3_600);
    assert_eq!(things.acquire(Freshness::Forced).await.unwrap().expose(), "t2");
    assert_eq!(server.requests()[3].field("grant_type"), Some("client_credentials"));
}

// Case 81 of the peers' suites.
#[tokio::test]
async fn a_token_and_a_failure_tell_what_they_cost() {
    let house = House::with_clock(ManualClock::self_advancing_at(1_000));
    house.server.answer(503, "<html>eyJhbGciOiJub25lIn0.e30.x</html>");
    house.server.token("t1", 3_600);
    let token = house.graph().acquire(Freshness::Cached).await.unwrap();
    assert_eq!((token.attempts(), token.fetch_reason()), (2, FetchReason::Absent));
    assert!(token.fetch_duration() >= token.network_duration());
    let endpoint = "https://login.example/contoso.example/oauth2/v2.0/token";
    assert_eq!(token.endpoint().as_deref(), Some(endpoint));

    for _ in 0..3 {
        house.server.answer(503, "<html>eyJhbGciOiJub25lIn0.e30.x</html>");
    }
    let error = house.vault().acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!((error.attempts(), error.endpoint()), (3, Some(endpoint)));
    assert!(error.duration() > Duration::ZERO && error.correlation_id().is_some());
    assert_eq!(error.body(), Some("<html>[redacted]</html>"));
}

#[tokio::test]
async fn what_is_in_memory_is_read_without_waiting() {
    let house = House::new();
    let graph = house.graph();
    assert!(graph.cached().is_none());
    house.server.token("t1", 3_600);
    graph.acquire(Freshness::Cached).await.unwrap();
    assert_eq!(graph.cached().unwrap().authorization().expose_token(), "t1");
    house.clock.advance(Duration::from_secs(3_600));
    assert!(graph.cached().is_none());
}

/// A credential that somebody can replace.
#[derive(Clone, Debug, Default)]
struct Replaceable(Arc<std::sync::atomic::AtomicU64>);

impl Credential for Replaceable {
    fn authenticate<'a>(
        &'a self,
        _: &'a crate::AuthenticationContext<'a>,
        request: &'a mut crate::TokenRequest,
    ) -> unattended_core::BoxFuture<'a, Result<(), Error>> {
        request.field("client_secret", &self.epoch().to_string());
        Box::pin(std::future::ready(Ok(())))
    }

    fn epoch(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn describe(&self) -> String {
        "replaceable".to_owned()
    }
}

// D20: the patience was asked of another credential.
#[tokio::test]
async fn a_new_credential_need_not_wait_for_what_the_old_one_was_told() {
    let credential = Replaceable::default();
    let house = House::with_credential(ManualClock::at(1_000), credential.clone());
    house.server.answer_with(429, &[("retry-after", "600")], "");
    for _ in 0..2 {
        assert!(house.graph().acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    }
    assert_eq!(house.server.requests().len(), 1);
    credential.0.store(1, std::sync::atomic::Ordering::Relaxed);
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    assert_eq!(house.server.requests()[1].field("client_secret"), Some("1"));
}
