use std::time::{Duration, UNIX_EPOCH};

use unattended_core::{
    ClientId, Clock, HttpErrorKind, ManualClock, Secret, SeededEntropy, TenantId, TokenDemand, TokenSource,
};

use super::*;
use crate::credential::{ClientCertificate, ClientSecret, Credential};
use crate::test_support::{Server, certificate_pem};
use crate::token::TokenOrigin;

mod by_tenant;
mod clocks;
mod crowd;
mod misbehaving;
mod requests;

const CLIENT_ID: &str = "22222222-2222-2222-2222-222222222222";
const INVALID_SECRET: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
const NOT_INSTALLED: &str = r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Application was not found. Trace ID: t Correlation ID: c Timestamp: x","error_codes":[700016],"trace_id":"t","correlation_id":"c"}"#;

struct House {
    server: Arc<Server>,
    clock: ManualClock,
    client: ConfidentialClient,
}

impl House {
    fn new() -> Self {
        Self::with_clock(ManualClock::at(1_000))
    }

    fn with_clock(clock: ManualClock) -> Self {
        Self::with_credential(clock, ClientSecret::new(Secret::from("s3cret-canary")).unwrap())
    }

    fn with_credential(clock: ManualClock, credential: impl Credential) -> Self {
        let server = Arc::new(Server::new());
        let client = builder(&server, &clock).credential(credential).build().unwrap();
        Self { server, clock, client }
    }

    fn graph(&self) -> ScopedToken {
        self.client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap()
    }

    fn vault(&self) -> ScopedToken {
        self.client.for_scope(Scope::default_of("https://vault.azure.net").unwrap()).unwrap()
    }
}

fn builder(server: &Arc<Server>, clock: &ManualClock) -> ConfidentialClientBuilder {
    let authority =
        Authority::microsoft("https://login.example", &TenantId::parse("contoso.example").unwrap()).unwrap();
    ConfidentialClient::builder(authority, ClientId::parse(CLIENT_ID).unwrap())
        .http(Arc::clone(server) as _)
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(7)))
}

/// Lets every task that can run do so.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_second_call_is_served_from_memory() {
    let house = House::new();
    house.server.token("t1", 3_600);
    let first = house.graph().acquire(Freshness::Cached).await.unwrap();
    let second = house.graph().acquire(Freshness::Cached).await.unwrap();
    assert_eq!((first.expose(), first.origin()), ("t1", TokenOrigin::Server));
    assert_eq!((second.expose(), second.origin()), ("t1", TokenOrigin::Memory));
    assert_eq!(first.expires_at(), UNIX_EPOCH + Duration::from_secs(4_600));
    assert_eq!(house.server.requests().len(), 1);
}

// 70 (section 3.5)
#[tokio::test]
async fn the_request_is_the_client_credentials_grant_and_asks_for_nothing_else() {
    let house = House::new();
    house.server.token("t1", 3_600);
    let token = house.graph().acquire(Freshness::Cached).await.unwrap();
    let request = &house.server.requests()[0];
    assert_eq!(request.uri, "https://login.example/contoso.example/oauth2/v2.0/token");
    assert_eq!(request.field("grant_type"), Some("client_credentials"));
    assert_eq!(request.field("scope"), Some("https://graph.microsoft.com/.default"));
    assert_eq!(
        (request.field("client_id"), request.field("client_secret")),
        (Some(CLIENT_ID), Some("s3cret-canary"))
    );
    assert_eq!(request.form.len(), 4);
    assert_eq!(request.headers["client-request-id"], token.correlation_id().unwrap());
}

// Proof 5 of the first milestone: 200 callers, an empty cache, one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_concurrent_callers_cause_one_request() {
    let house = House::new();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let graph = house.graph();
            tokio::spawn(async move { graph.acquire(Freshness::Cached).await.unwrap().expose().to_owned() })
        })
        .collect();
    house.server.token("t1", 3_600);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "t1");
    }
    assert_eq!(house.server.requests().len(), 1);
}

#[tokio::test]
async fn a_herd_shares_one_failure_and_the_next_call_tries_again() {
    let house = House::new();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let graph = house.graph();
            tokio::spawn(
                async move { graph.acquire(Freshness::Cached).await.unwrap_err().codes().to_owned() },
            )
        })
        .collect();
    house.server.answer(400, NOT_INSTALLED);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), [700_016]);
    }
    assert_eq!(house.server.requests().len(), 1);
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
}

// D4
#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody_who_waits() {
    let house = House::new();
    let graph = house.graph();
    let leader = tokio::spawn(async move { graph.acquire(Freshness::Cached).await });
    settle().await;
    let graph = house.graph();
    let follower = tokio::spawn(async move { graph.acquire(Freshness::Cached).await });
    settle().await;
    leader.abort();
    settle().await;
    house.server.token("t1", 3_600);
    assert_eq!(follower.await.unwrap().unwrap().expose(), "t1");
    assert_eq!(house.server.requests().len(), 1);
}

// D2, W10
#[tokio::test]
async fn a_token_past_half_of_its_life_is_renewed_once_in_the_background_while_it_is_served() {
    let house = House::new();
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(1_801));
    for _ in 0..100 {
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "old");
    }
    settle().await;
    assert_eq!(house.server.requests().len(), 2, "one renewal for any number of callers");
    house.server.token("new", 3_600);
    settle().await;
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "new");
}

// D5, W10
#[tokio::test]
async fn a_failed_refresh_keeps_serving_the_live_token() {
    let house = House::with_clock(ManualClock::at(1_000));
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(3_400)); // inside the last five minutes, too
    house.server.answer(401, INVALID_SECRET);
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "old");
    settle().await;
    for _ in 0..10 {
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "old");
    }
    settle().await;
    assert_eq!(house.server.requests().len(), 2, "a failed renewal is not repeated at once");
    house.clock.advance(Duration::from_secs(16));
    house.server.token("new", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    settle().await;
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "new");
}

// D6
#[tokio::test]
async fn an_expired_token_is_never_served() {
    let house = House::with_clock(ManualClock::self_advancing_at(1_000));
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(3_601));
    for _ in 0..3 {
        house.server.answer(503, "");
    }
    let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!((error.status(), error.is_transient()), (Some(503), true));
    assert_eq!(house.server.requests().len(), 4, "three attempts after the first token");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_revive_a_dead_token() {
    let house = House::new();
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(3_601));
    house.clock.set_wall(UNIX_EPOCH + Duration::from_secs(900));
    house.server.token("new", 3_600);
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "new");
}

// D3; 26 (section 3.2)
#[tokio::test]
async fn one_resource_never_waits_for_another() {
    let house = House::new();
    let vault = house.vault();
    let stuck = tokio::spawn(async move { vault.acquire(Freshness::Cached).await });
    settle().await;
    assert_eq!(house.server.requests().len(), 1);
    let graph = house.graph();
    let quick = tokio::spawn(async move { graph.acquire(Freshness::Cached).await });
    settle().await;
    assert_eq!(house.server.requests().len(), 2, "the second request left while the first one hung");
    house.server.token("a", 3_600);
    house.server.token("b", 3_600);
    assert_ne!(stuck.await.unwrap().unwrap().expose(), quick.await.unwrap().unwrap().expose());
}

// D9
#[tokio::test]
async fn the_case_of_a_scope_makes_no_second_token_at_the_platform() {
    let house = House::new();
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    let shouted = Scope::parse("HTTPS://GRAPH.MICROSOFT.COM/.default").unwrap();
    house.client.for_scope(shouted).unwrap().acquire(Freshness::Cached).await.unwrap();
    assert_eq!(house.server.requests().len(), 1);
}

// 45 (section 3.3)
#[tokio::test]
async fn a_forced_call_gets_a_new_token_and_leaves_it_for_the_others() {
    let house = House::new();
    house.server.token("t1", 3_600);
    house.server.token("t2", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    assert_eq!(house.graph().acquire(Freshness::Forced).await.unwrap().expose(), "t2");
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t2");
}

// D13; 41 (section 3.3)
#[tokio::test]
async fn a_refused_token_is_replaced_once_and_a_newer_one_is_not_thrown_away() {
    let house = House::new();
    house.server.token("t1", 3_600);
    let refused = house.graph().authorization(TokenDemand::Live).await.unwrap();
    house.server.token("t2", 3_600);
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#.to_owned();
    let demand = TokenDemand::Newer { refused, claims: Some(claims.clone()) };
    for _ in 0..3 {
        assert_eq!(house.graph().authorization(demand.clone()).await.unwrap().expose_token(), "t2");
    }
    assert_eq!(house.server.requests().len(), 2);
    assert_eq!(house.server.requests()[1].field("claims"), Some(claims.as_str()));
}

// D20
#[tokio::test]
async fn a_server_that_asks_for_patience_is_not_asked_before_that_time_by_anyone() {
    let house = House::new();
    house.server.answer_with(429, &[("retry-after", "600")], "Too Many Requests");
    let first = house.graph().acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!(first.retry_at(), Some(UNIX_EPOCH + Duration::from_secs(1_600)));
    house.clock.advance(Duration::from_secs(599));
    assert!(house.graph().acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    assert_eq!(house.server.requests().len(), 1, "the second call sent nothing");
    house.server.token("other", 3_600);
    house.vault().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(2));
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
}

#[tokio::test]
async fn a_short_wait_that_the_server_asks_for_is_kept_inside_the_call() {
    let house = House::with_clock(ManualClock::self_advancing_at(1_000));
    house.server.answer_with(429, &[("retry-after", "3")], "");
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    assert!(house.clock.slept()[0] >= Duration::from_secs(3));
}

// 74 (section 3.6)
#[tokio::test]
async fn a_passing_fault_is_retried_with_the_same_correlation_id_and_a_wrong_credential_is_not() {
    let house = House::with_clock(ManualClock::self_advancing_at(1_000));
    house.server.fail(HttpErrorKind::Connect);
    house.server.answer(502, "<html>");
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    let requests = house.server.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|seen| seen.headers["client-request-id"] == requests[0].headers["client-request-id"])
    );

    house.server.answer(401, INVALID_SECRET);
    let error = house.vault().acquire(Freshness::Cached).await.unwrap_err();
    assert!(error.is_credential() && error.remedy().is_some());
    assert_eq!(house.server.requests().len(), 4);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_half_a_minute_and_no_more() {
    let house = House::with_clock(ManualClock::self_advancing_at(1_000));
    let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(house.clock.elapsed() <= Duration::from_secs(40), "{:?}", house.clock.elapsed());
}

// D16
#[tokio::test]
async fn every_attempt_is_signed_anew_even_long_after_construction() {
    let certificate = ClientCertificate::from_pem(&Secret::from(certificate_pem())).unwrap();
    let thumbprint = certificate.thumbprint_sha256();
    let house = House::with_credential(ManualClock::self_advancing_at(1_000), certificate);
    house.clock.advance(Duration::from_secs(86_400));
    house.server.answer(503, "");
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    let [first, second] =
        [0, 1].map(|n| verified(house.server.requests()[n].field("client_assertion").unwrap()));
    assert_ne!(first.1["jti"], second.1["jti"]);
    assert!(first.1["exp"].as_u64().unwrap() >= 87_400 + 600);
    assert_eq!(first.1["exp"].as_u64().unwrap() - first.1["nbf"].as_u64().unwrap(), 600);

    // D15: what the header says, compared with an independent reading of the certificate.
    let (header, claims) = second;
    assert_eq!(header.alg, jsonwebtoken::Algorithm::PS256);
    let digest =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header.x5t_s256.unwrap());
    assert_eq!(digest.unwrap().iter().map(|byte| format!("{byte:02X}")).collect::<String>(), thumbprint);
    assert_eq!(claims["aud"], "https://login.example/contoso.example/oauth2/v2.0/token");
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some(CLIENT_ID), Some(CLIENT_ID)));
    assert!(claims["nbf"].is_u64() && claims["iat"].is_u64() && claims["exp"].is_u64());
}

/// Header and claims of an assertion that a library of others finds correctly signed.
fn verified(assertion: &str) -> (jsonwebtoken::Header, serde_json::Value) {
    use der::{DecodePem, Encode};
    let pem = certificate_pem();
    let end = "-----END CERTIFICATE-----\n";
    let certificate = x509_cert::Certificate::from_pem(&pem[..pem.find(end).unwrap() + end.len()]).unwrap();
    let key = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let key = jsonwebtoken::DecodingKey::from_rsa_der(
        x509_cert::spki::SubjectPublicKeyInfoRef::try_from(key.as_slice())
            .unwrap()
            .subject_public_key
            .raw_bytes(),
    );
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::PS256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let token = jsonwebtoken::decode(assertion, &key, &validation).unwrap();
    (token.header, token.claims)
}

#[tokio::test]
async fn the_next_credential_is_tried_when_the_preferred_one_is_not_accepted() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let secret = |text: &str| ClientSecret::new(Secret::from(text)).unwrap();
    let client =
        builder(&server, &clock).credential(secret("old")).credential(secret("new")).build().unwrap();
    let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
    server.answer(401, INVALID_SECRET);
    server.token("t1", 3_600);
    graph.acquire(Freshness::Cached).await.unwrap();
    assert_eq!(server.requests()[1].field("client_secret"), Some("new"));
    // The refused one is asked last now, and is still the one that the configuration prefers.
    server.answer(401, INVALID_SECRET);
    server.answer(401, &INVALID_SECRET.replace("7000215", "7000222"));
    let error = graph.acquire(Freshness::Forced).await.unwrap_err();
    assert_eq!(error.codes(), [7_000_222], "the preferred credential's failure is the one to tell");
}

#[tokio::test]
async fn what_can_never_work_is_refused_before_anything_is_sent() {
    let house = House::new();
    for scope in ["User.Read.All", "https://graph.microsoft.com/User.Read.All", "a/.default b/.default"] {
        let error = house.client.for_scope(Scope::parse(scope).unwrap()).unwrap_err();
        assert!(error.to_string().contains("/.default"), "{error}");
    }
    assert!(ClientSecret::new(Secret::from(" ")).is_err());
    assert!(builder(&house.server, &house.clock).build().is_err(), "no credential");
    assert!(house.server.requests().is_empty());
}

#[tokio::test]
async fn an_error_says_who_has_to_act_and_shows_no_secret() {
    let house = House::new();
    house.server.answer(400, NOT_INSTALLED);
    let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
    assert!(error.needs_administrator() && !error.is_transient());
    assert_eq!((error.trace_id(), error.correlation_id()), (Some("t"), Some("c")));
    assert!(!format!("{error:?} {error} {:?}", house.client).contains("canary"));
}

#[tokio::test]
async fn another_issuer_is_asked_with_the_resource_and_the_method_that_its_metadata_names() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000));
    let client = |methods: &str| {
        server.answer(
            200,
            &format!(
                r#"{{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token","token_endpoint_auth_methods_supported":[{methods}]}}"#
            ),
        );
        server.token("t1", 60);
        ConfidentialClient::builder(
            Authority::issuer("https://idp.example").unwrap(),
            ClientId::parse("app").unwrap(),
        )
        .credential(ClientSecret::new(Secret::from("s")).unwrap())
        .http(Arc::clone(&server) as _)
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap()
        .for_scope(Scope::parse("things.read").unwrap())
        .unwrap()
        .with_resource("https://api.example")
    };
    client(r#""client_secret_basic","client_secret_post""#).acquire(Freshness::Cached).await.unwrap();
    client(r#""client_secret_post""#).acquire(Freshness::Cached).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[1].headers["authorization"], "Basic YXBwOnM=");
    assert_eq!(
        (requests[1].field("resource"), requests[1].field("client_secret")),
        (Some("https://api.example"), None)
    );
    assert_eq!(
        (requests[3].field("client_id"), requests[3].field("client_secret")),
        (Some("app"), Some("s"))
    );
}

#[tokio::test]
async fn a_credential_that_panics_fails_its_callers_instead_of_being_asked_for_ever() {
    #[derive(Debug)]
    struct Panicking;

    impl Credential for Panicking {
        fn authenticate<'a>(
            &'a self,
            _: &'a crate::AuthenticationContext<'a>,
            _: &'a mut crate::TokenRequest,
        ) -> unattended_core::BoxFuture<'a, Result<(), Error>> {
            panic!("on purpose")
        }

        fn describe(&self) -> String {
            "panicking".to_owned()
        }
    }

    let house = House::with_credential(ManualClock::at(1_000), Panicking);
    let graph = house.graph();
    let (one, other) = tokio::join!(graph.acquire(Freshness::Cached), graph.acquire(Freshness::Cached));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert!(error.is_transient() && error.to_string().contains("panicked"), "{error}");
    }
}
