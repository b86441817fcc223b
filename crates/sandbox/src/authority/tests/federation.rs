//! Tokens of other issuers instead of secrets.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::issuer::{ISSUER, IssuerKey};
use super::world::{App, NOW, TENANT, World};

static KEY: LazyLock<IssuerKey> = LazyLock::new(|| IssuerKey::new("2025-10"));
static NEXT_KEY: LazyLock<IssuerKey> = LazyLock::new(|| IssuerKey::new("2025-11"));

const SUBJECT: &str = "repo:contoso/export:ref:refs/heads/main";

fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "jti": "1",
        "iat": NOW, "nbf": NOW, "exp": NOW + 300,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn token(changes: Value) -> String {
    KEY.sign(&claims(changes))
}

/// An application that tokens of [`ISSUER`] for [`SUBJECT`] stand for.
fn world() -> (World, App) {
    let world = World::new();
    let app = world.app("build");
    world.internet.publish(&[&KEY]);
    world.federate(&app, ISSUER, SUBJECT);
    (world, app)
}

// AC-4
#[tokio::test]
async fn a_token_of_a_registered_issuer_proves_the_client() {
    let (world, app) = world();
    for token in [token(json!({})), token(json!({ "aud": ["api://AzureADTokenExchange"] }))] {
        let answer = world.assert(&app, &token).await;
        assert_eq!(answer.code(), 0, "{answer:?}");
        assert_eq!(answer.claims()["azpacr"], "2");
    }
}

// AC-4
#[tokio::test]
async fn issuer_subject_and_audience_are_told_apart_when_they_do_not_match() {
    let (world, app) = world();
    for (changes, code) in [
        (json!({ "iss": "https://token.actions.example/" }), 700_211),
        (json!({ "iss": "https://other.example" }), 700_211),
        (json!({ "sub": "repo:contoso/export:ref:refs/heads/other" }), 700_213),
        (json!({ "sub": SUBJECT.to_uppercase() }), 7_002_138),
        (json!({ "aud": "api://other" }), 700_212),
        (json!({ "aud": ["api://AzureADTokenExchange", "api://other"] }), 700_212),
    ] {
        let answer = world.assert(&app, &token(changes.clone())).await;
        assert_eq!((answer.code(), answer.status.as_u16()), (code, 401), "{changes}");
    }
    // Nobody who is not registered is asked for keys.
    assert_eq!(world.internet.requests(), 0);
    let other = world.app("other");
    let answer = world.assert(&other, &token(json!({}))).await;
    assert_eq!(answer.code(), 70_021);
    let text = answer.body["error_description"].as_str().unwrap();
    assert!(
        text.contains(&format!("Assertion Issuer: '{ISSUER}'. Assertion Subject: '{SUBJECT}'")),
        "{text}"
    );
}

// AC-4
#[tokio::test]
async fn a_new_federated_credential_takes_a_while() {
    let (world, app) = world();
    world.set("federation-delay", "5m");
    assert_eq!(world.assert(&app, &token(json!({}))).await.code(), 70_021);
    world.pass(299);
    assert_eq!(world.assert(&app, &token(json!({}))).await.code(), 70_021);
    world.pass(1);
    assert_eq!(world.assert(&app, &token(json!({ "exp": NOW + 900 }))).await.code(), 0);
    // One that comes later is waited for even when others work.
    world.federate(&app, ISSUER, "repo:contoso/other");
    let other = || token(json!({ "sub": "repo:contoso/other", "exp": NOW + 900 }));
    assert_eq!(world.assert(&app, &other()).await.code(), 70_021);
    world.pass(300);
    assert_eq!(world.assert(&app, &other()).await.code(), 0);
}

// authority 7.4
#[tokio::test]
async fn a_token_that_its_issuer_did_not_sign_is_refused() {
    let (world, app) = world();
    assert_eq!(world.assert(&app, &NEXT_KEY.sign(&claims(json!({})))).await.code(), 900_384);
    let (message, _) = token(json!({})).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(world.assert(&app, &format!("{message}.c2lnbmF0dXJl")).await.code(), 900_384);
    assert_eq!(world.assert(&app, &KEY.sign_as("PS256", &claims(json!({})))).await.code(), 5_002_730);
    for changes in [json!({ "exp": NOW - 300 }), json!({ "nbf": NOW + 301 })] {
        assert_eq!(world.assert(&app, &token(changes)).await.code(), 700_024);
    }
}

// authority 7.4: keys are cached, so rotation takes time
#[tokio::test]
async fn keys_of_an_issuer_are_kept_and_fetched_again_for_a_new_one() {
    let (world, app) = world();
    let ask = |key: &'static IssuerKey| {
        let token = key.sign(&claims(json!({ "exp": NOW + 200_000 })));
        let (world, app) = (&world, &app);
        async move { world.assert(app, &token).await.code() }
    };
    assert_eq!((ask(&KEY).await, ask(&KEY).await), (0, 0));
    assert_eq!(world.internet.requests(), 2, "metadata and keys, once");
    world.internet.publish(&[&KEY, &NEXT_KEY]);
    assert_eq!(ask(&NEXT_KEY).await, 900_384);
    world.pass(60);
    assert_eq!(ask(&NEXT_KEY).await, 0);
    assert_eq!(world.internet.requests(), 4);
    // While the issuer is down its keys are still good.
    world.internet.fail();
    world.pass(90_000);
    assert_eq!((ask(&KEY).await, ask(&NEXT_KEY).await), (0, 0));
}

// authority 7.4
#[tokio::test]
async fn keys_that_were_fetched_before_time_travelled_back_are_fetched_again() {
    let (world, app) = world();
    let token_of = |key: &IssuerKey| key.sign(&claims(json!({ "exp": NOW + 200_000 })));
    world.set("clock-offset", "+1h");
    assert_eq!(world.assert(&app, &token_of(&KEY)).await.code(), 0);
    world.internet.publish(&[&NEXT_KEY]);
    world.set("clock-offset", "0s");
    assert_eq!(world.assert(&app, &token_of(&NEXT_KEY)).await.code(), 0);
}

// authority 14.3
#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_named_with_the_reason() {
    let world = World::new();
    let app = world.app("build");
    for (issuer, metadata, reason) in [
        (ISSUER, None, "connection refused"),
        (ISSUER, Some(json!({ "issuer": "https://evil.example", "jwks_uri": "https://x" })), "evil.example"),
        (ISSUER, Some(json!({ "issuer": ISSUER })), "no jwks_uri"),
        (ISSUER, Some(json!({ "issuer": ISSUER, "jwks_uri": "http://x/keys" })), "not an https address"),
        ("http://plain.example", None, "not an https address"),
    ] {
        world.federate(&app, issuer, &format!("{issuer}{reason}"));
        if let Some(metadata) = metadata {
            world.internet.serve(&format!("{issuer}/.well-known/openid-configuration"), metadata);
        }
        let answer =
            world.assert(&app, &token(json!({ "iss": issuer, "sub": format!("{issuer}{reason}") }))).await;
        assert_eq!((answer.code(), answer.status.as_u16()), (50_166, 400));
        let text = answer.body["error_description"].as_str().unwrap();
        assert!(text.contains(reason), "{text}");
    }
}

// authority 7.4: a managed identity of this very platform; 700229
#[tokio::test]
async fn a_tenant_here_may_be_the_issuer_but_only_of_app_only_tokens() {
    let world = World::new();
    let app = world.app("worker");
    let issuer = format!("https://localhost:8443/{TENANT}/v2.0");
    let identity = "33333333-3333-4333-8333-333333333333";
    world.federate(&app, &issuer, identity);
    let key = world.keys.current();
    let sign = |changes: Value| {
        let mut claims = claims(json!({ "iss": issuer, "sub": identity, "oid": identity, "tid": TENANT }));
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        key.sign(&json!({ "alg": "RS256", "kid": key.kid() }), &claims).unwrap()
    };
    assert_eq!(world.assert(&app, &sign(json!({}))).await.code(), 0);
    for user in [json!({ "scp": "User.Read" }), json!({ "idtyp": "user" }), json!({ "oid": TENANT })] {
        assert_eq!(world.assert(&app, &sign(user)).await.code(), 700_229);
    }
    assert_eq!(world.internet.requests(), 0);
    let foreign = KEY.sign(&claims(json!({ "iss": issuer, "sub": identity, "oid": identity })));
    assert_eq!(world.assert(&app, &foreign).await.code(), 900_384);
}
