//! How clients prove themselves.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use http::Request;
use serde_json::{Value, json};

use super::certified::{Certified, claims};
use super::world::{Answer, App, DOMAIN, GRAPH, NOW, TENANT, World};

static KEY: LazyLock<Certified> = LazyLock::new(Certified::new);
static OTHER_KEY: LazyLock<Certified> = LazyLock::new(Certified::new);

fn ps256() -> Value {
    json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(KEY.sha256()) })
}

fn world() -> (World, App) {
    let world = World::new();
    let app = world.app("nightly export");
    world.certificate(&app, &KEY.der, NOW - 10, NOW + 86_400);
    (world, app)
}

async fn prove(world: &World, app: &App, assertion: &str) -> Answer {
    world.assert(app, assertion).await
}

// AC-2
#[tokio::test]
async fn assertions_as_real_clients_write_them_are_accepted() {
    let (world, app) = world();
    let (sha1, sha256) = (KEY.sha1(), KEY.sha256());
    let hex: String = sha1.iter().map(|byte| format!("{byte:02X}")).collect();
    let body: Vec<&str> = KEY.pem.lines().filter(|line| !line.starts_with('-')).collect();
    let floats = json!({ "nbf": null, "exp": NOW as f64 + 600.25, "iat": NOW as f64 + 0.25 });
    let without_iat = json!({ "iat": null, "exp": NOW + 300 });
    for (header, changes) in [
        (json!({ "alg": "RS256", "x5t": URL_SAFE.encode(&sha1), "x5c": [body.join("\n")] }), floats.clone()),
        (json!({ "alg": "PS256", "x5t#S256": URL_SAFE.encode(&sha256) }), floats.clone()),
        (
            json!({ "alg": "RS256", "x5t": URL_SAFE.encode(&sha1), "x5c": [STANDARD.encode(&KEY.der)] }),
            floats,
        ),
        (json!({ "alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(&sha1) }), json!({})),
        (
            json!({ "alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(&sha256), "x5c": STANDARD.encode(&KEY.der) }),
            json!({}),
        ),
        (
            json!({ "alg": "RS256", "x5t": STANDARD.encode(&sha1), "x5c": [STANDARD.encode(&KEY.pem)] }),
            without_iat,
        ),
        (json!({ "alg": "RS256", "x5t": URL_SAFE.encode(&sha1), "kid": hex }), json!({})),
        (json!({ "alg": "RS256", "kid": hex }), json!({})),
    ] {
        let mut claims = claims(&app);
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let answer = prove(&world, &app, &KEY.sign(&header, &claims)).await;
        assert_eq!(answer.code(), 0, "{header} {claims}: {answer:?}");
        assert_eq!(answer.claims()["azpacr"], "2");
    }
}

// AC-2
#[tokio::test]
async fn an_assertion_may_be_meant_for_any_name_of_the_endpoint() {
    let (world, app) = world();
    for audience in [
        format!("https://localhost:8443/{DOMAIN}/oauth2/v2.0/token"),
        format!("https://127.0.0.1:8443/{TENANT}/oauth2/token"),
        format!("https://localhost:8443/{TENANT}/v2.0"),
    ] {
        let mut claims = claims(&app);
        claims["aud"] = audience.clone().into();
        assert_eq!(prove(&world, &app, &KEY.sign(&ps256(), &claims)).await.code(), 0, "{audience}");
    }
}

// AC-2
#[tokio::test]
async fn every_flaw_of_an_assertion_has_its_own_code() {
    let (world, app) = world();
    let other = world.app("other");
    let header = |changes: Value| {
        let mut header = ps256();
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        header
    };
    let unknown = URL_SAFE_NO_PAD.encode(OTHER_KEY.sha256());
    for (key, header, changes, code) in [
        (
            &KEY,
            header(json!({})),
            json!({ "aud": "https://login.example/contoso.com/oauth2/v2.0/token" }),
            700_023,
        ),
        (&KEY, header(json!({})), json!({ "aud": [] }), 700_023),
        (&KEY, header(json!({})), json!({ "sub": other.client_id }), 50_048),
        (&KEY, header(json!({})), json!({ "iss": other.client_id, "sub": other.client_id }), 700_021),
        (&OTHER_KEY, header(json!({})), json!({}), 700_027),
        (&KEY, header(json!({ "x5t#S256": unknown })), json!({}), 700_027),
        (&KEY, header(json!({ "alg": "HS256" })), json!({}), 5_002_730),
        (&KEY, header(json!({})), json!({ "exp": NOW - 300 }), 700_024),
        (&KEY, header(json!({})), json!({ "nbf": NOW + 301 }), 700_024),
        (&KEY, json!({ "alg": "RS256" }), json!({}), 50_027),
        (&KEY, header(json!({})), json!({ "exp": "later" }), 50_027),
    ] {
        let mut claims = claims(&app);
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = prove(&world, &app, &key.sign(&header, &claims)).await;
        assert_eq!(answer.code(), code, "{header} {changes}");
        let expected = if code == 50_027 { (400, "invalid_request") } else { (401, "invalid_client") };
        assert_eq!((answer.status.as_u16(), answer.body["error"].as_str().unwrap()), expected);
    }
}

// AC-2
#[tokio::test]
async fn a_certificate_counts_within_its_dates() {
    let (world, app) = world();
    world.certificate(&app, &KEY.der, NOW - 86_400, NOW);
    let answer = prove(&world, &app, &KEY.sign(&ps256(), &claims(&app))).await;
    assert_eq!(answer.code(), 1_000_502);
}

// authority 14.3: 700024 shows the beginning of time for a missing nbf; 700027 shows a SHA-1 thumbprint
#[tokio::test]
async fn a_refusal_shows_what_was_compared() {
    let (world, app) = world();
    let mut late = claims(&app);
    late.as_object_mut().unwrap().remove("nbf");
    late["exp"] = (NOW - 600).into();
    let answer = prove(&world, &app, &KEY.sign(&ps256(), &late)).await;
    let text = answer.body["error_description"].as_str().unwrap();
    assert!(text.contains("Current time: 2025-10-13T14:54:34.0000000Z, assertion valid from 1970-01-01T00:00:00.0000000Z, expiry time of assertion 2025-10-13T14:44:34.0000000Z"), "{text}");

    let header = json!({ "alg": "RS256", "x5t": URL_SAFE.encode([0xAB; 20]) });
    let answer = prove(&world, &app, &KEY.sign(&header, &claims(&app))).await;
    let text = answer.body["error_description"].as_str().unwrap();
    assert!(text.contains(&format!("client: '{}'", "AB".repeat(20))), "{text}");
}

// AC-3
#[tokio::test]
async fn secrets_rotate() {
    let world = World::new();
    let app = world.app("nightly export");
    let (_, old) = world.secret(&app, NOW - 100, NOW + 100);
    let (new_id, new) = world.secret(&app, NOW, NOW + 10_000);
    for secret in [&old, &new] {
        let answer = world.token(&app, secret, GRAPH).await;
        assert_eq!((answer.code(), &answer.claims()["azpacr"]), (0, &json!("1")));
    }
    world.pass(100);
    assert_eq!(world.token(&app, &old, GRAPH).await.code(), 7_000_222);
    assert_eq!(world.token(&app, &new, GRAPH).await.code(), 0);
    world.remove_secret(&app, &new_id);
    let answer = world.token(&app, &new, GRAPH).await;
    assert_eq!((answer.code(), answer.status.as_u16()), (7_000_215, 401));
    assert_eq!(world.token(&app, &new_id, GRAPH).await.code(), 7_000_215);
    assert_eq!(world.token(&app, "", GRAPH).await.code(), 7_000_216);
}

#[tokio::test]
async fn a_secret_is_not_valid_before_its_start_or_for_another_application() {
    let world = World::new();
    let (app, other) = (world.app("one"), world.app("other"));
    let (_, early) = world.secret(&app, NOW + 50, NOW + 100);
    assert_eq!(world.token(&app, &early, GRAPH).await.code(), 7_000_215);
    world.pass(50);
    assert_eq!(world.token(&app, &early, GRAPH).await.code(), 0);
    assert_eq!(world.token(&other, &early, GRAPH).await.code(), 7_000_215);
}

// authority 7.1; RFC 6749 sections 2.3.1 and 5.2
#[tokio::test]
async fn a_client_may_use_basic_authentication() {
    let world = World::new();
    let app = world.app("curl");
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    let request = |secret: &str| {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = STANDARD.encode(format!("{}:{}", encode(&app.client_id), encode(secret)));
        Request::post(format!("https://localhost:8443/{DOMAIN}/oAuth2/V2.0/Token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {credentials}"))
            .body("grant_type=client_credentials&scope=.default".into())
            .unwrap()
    };
    assert_eq!(world.send(request(&secret)).await.code(), 0);
    let refused = world.send(request("wrong")).await;
    assert_eq!(refused.code(), 7_000_215);
    assert_eq!(refused.headers["www-authenticate"], r#"Basic realm="https://localhost:8443""#);
}
