//! Which error comes, in which order, in which shape.

use http::{Method, Request};
use serde_json::json;

use super::world::{Answer, DOMAIN, GRAPH, NOW, TENANT, World};

const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// Every error body has exactly these members, which agree with each other and with the headers.
pub(super) fn assert_shape(answer: &Answer) {
    let body = answer.body.as_object().unwrap();
    let mut members: Vec<&str> =
        body.keys().map(String::as_str).filter(|it| !matches!(*it, "suberror" | "claims")).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["correlation_id", "error", "error_codes", "error_description", "error_uri", "timestamp", "trace_id"]
    );
    let text = |name: &str| body[name].as_str().unwrap();
    let (code, trace) = (answer.code(), text("trace_id"));
    assert!(text("error_description").starts_with(&format!("AADSTS{code}: ")), "{answer:?}");
    let tail = format!(
        " Trace ID: {trace} Correlation ID: {} Timestamp: {}",
        text("correlation_id"),
        text("timestamp")
    );
    assert!(text("error_description").ends_with(&tail), "{answer:?}");
    assert!(!text("error_description").contains('{'), "{answer:?}");
    assert_eq!(answer.headers["x-ms-request-id"], trace);
    assert_eq!(answer.headers["cache-control"], "no-store, no-cache");
    assert_eq!(text("error_uri"), format!("https://localhost:8443/error?code={code}"));
    assert_eq!(text("timestamp"), "2025-10-13 14:54:34Z");
}

// AC-8
#[tokio::test]
async fn a_tenant_has_to_be_one_tenant_that_exists() {
    let world = World::new();
    for (tenant, code) in [
        ("common", 9_001_023),
        ("Consumers", 9_001_023),
        ("organizations", 50_059),
        ("fabrikam.onmicrosoft.com", 90_002),
        ("99999999-9999-9999-9999-999999999999", 90_002),
        (ZERO, 900_021),
        ("not_a_tenant", 900_023),
    ] {
        for endpoint in ["v2.0/token", "token"] {
            let answer = world.post(&format!("/{tenant}/oauth2/{endpoint}"), &[("grant_type", "x")]).await;
            assert_eq!((answer.code(), answer.status.as_u16()), (code, 400), "{tenant}");
            assert_shape(&answer);
        }
    }
    let metadata = |tenant: &str| {
        let url = format!("https://localhost:8443/{tenant}/v2.0/.well-known/openid-configuration");
        world.send(Request::get(url).body(axum::body::Body::empty()).unwrap())
    };
    let unknown = metadata("fabrikam.onmicrosoft.com").await;
    assert_eq!((unknown.code(), unknown.body["error"].as_str()), (90_002, Some("invalid_tenant")));
    assert_eq!(metadata("not_a_tenant").await.code(), 900_023);
    assert_eq!(metadata("common").await.body["issuer"], "https://localhost:8443/{tenantid}/v2.0");
}

// AC-7
#[tokio::test]
async fn unknown_missing_and_disabled_clients_are_told_apart() {
    let world = World::new();
    let app = world.application("no principal", json!({}));
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    // The want of a service principal is told only to who holds the credential.
    assert_eq!(world.token(&app, "wrong", GRAPH).await.code(), 7_000_215);
    let missing = world.token(&app, &secret, GRAPH).await;
    assert_eq!((missing.code(), missing.status.as_u16()), (7_000_229, 401));

    world.principal(&app, None, json!({ "accountEnabled": false, "displayName": "asleep" }));
    let disabled = world.token(&app, &secret, GRAPH).await;
    assert_eq!((disabled.code(), disabled.body["error"].as_str()), (7_000_112, Some("unauthorized_client")));
    assert!(disabled.body["error_description"].as_str().unwrap().contains("(asleep) is disabled"));

    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", ZERO),
        ("client_secret", &secret),
        ("scope", GRAPH),
    ];
    let unknown = world.post(&format!("/{DOMAIN}/oauth2/v2.0/token"), &form).await;
    assert_eq!((unknown.code(), unknown.status.as_u16()), (700_016, 400));
    for answer in [missing, disabled, unknown] {
        assert_shape(&answer);
    }
}

// authority 6.5
#[tokio::test]
async fn a_request_with_several_faults_meets_them_in_order() {
    let world = World::new();
    let app = world.app("nightly export");
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let mut form: Vec<(&str, &str)> = Vec::new();
    for (added, code) in [
        (("x", "y"), 900_144),
        (("grant_type", "password"), 900_144),
        (("client_id", ZERO), 900_144),
        (("scope", "openid"), 70_003),
        (("grant_type", "client_credentials"), 1_002_012),
        (("scope", GRAPH), 700_016),
        (("client_id", app.client_id.as_str()), 7_000_216),
        (("client_secret", "wrong"), 7_000_215),
        (("client_secret", secret.as_str()), 0),
        (("resource", "https://graph.microsoft.com"), 901_002),
    ] {
        form.retain(|(name, _)| *name != added.0);
        form.push(added);
        let answer = world.post(&path, &form).await;
        assert_eq!(answer.code(), code, "after {}", added.0);
        if code > 0 {
            assert_shape(&answer);
        }
    }
}

// authority 2
#[tokio::test]
async fn the_token_endpoint_takes_posted_forms_only() {
    let world = World::new();
    let send = |method: Method, content_type: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://localhost:8443/{TENANT}/oauth2/v2.0/token"))
            .header("content-type", content_type)
            .body("{}".into());
        world.send(request.unwrap())
    };
    let get = send(Method::GET, "").await;
    assert_eq!((get.code(), get.status.as_u16()), (900_561, 400));
    assert!(get.body["error_description"].as_str().unwrap().contains("Received a GET request."));
    let json = send(Method::POST, "application/json").await;
    assert_eq!(json.code(), 9_002_313);
    for answer in [get, json] {
        assert_shape(&answer);
    }
}

// authority 2: OPTIONS is answered for CORS on the metadata
#[tokio::test]
async fn a_page_of_another_origin_may_read_the_public_documents() {
    let world = World::new();
    let ask = |method: Method, path: &str| {
        let url = format!("https://localhost:8443/{path}");
        world.send(Request::builder().method(method).uri(url).body(axum::body::Body::empty()).unwrap())
    };
    for path in ["common/v2.0/.well-known/openid-configuration", "common/discovery/v2.0/keys"] {
        let asked = ask(Method::OPTIONS, path).await;
        assert_eq!((asked.status.as_u16(), &*asked.text), (204, ""));
        assert_eq!(asked.headers["access-control-allow-methods"], "GET, OPTIONS");
        for answer in [asked, ask(Method::GET, path).await] {
            assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
        }
        assert_eq!(ask(Method::POST, path).await.status, 405);
    }
}

// AC-13
#[tokio::test]
async fn the_correlation_id_is_the_callers_wherever_the_caller_put_it() {
    const ID: &str = "5b3b4e0e-6a1c-4b7e-9d5b-2f0c6a7d8e9f";
    let world = World::new();
    let request = |query: &str, header: Option<&str>, body: String| {
        let mut request = Request::post(format!("https://localhost:8443/common/oauth2/v2.0/token{query}"))
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(id) = header {
            request = request.header("client-request-id", id);
        }
        request.body(body.into()).unwrap()
    };
    let in_query = format!("?client-request-id={ID}");
    let in_body = format!("client-request-id={ID}");
    for request in [
        request("", Some(ID), String::new()),
        request(&in_query, None, String::new()),
        request(&in_query, None, in_body.clone()),
        request("", None, in_body),
    ] {
        let answer = world.send(request).await;
        assert_eq!(answer.body["correlation_id"], ID);
        assert_shape(&answer);
    }
}

// authority 6.2
#[tokio::test]
async fn a_token_is_kept_by_nobody_on_the_way() {
    let world = World::new();
    let app = world.app("nightly export");
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    let answer = world.token(&app, &secret, GRAPH).await;
    for (name, value) in [
        ("cache-control", "no-store, no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "application/json; charset=utf-8"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    // A browser would remember it for every other server of this machine.
    assert!(!answer.headers.contains_key("strict-transport-security"));
    let mut members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    assert_eq!(world.now(), NOW);
}
