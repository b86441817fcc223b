//! Who comes in, and what they may do.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::{CLIENT, NOW, OTHER_TENANT, PORT, TENANT, World};
use crate::store::VAULT_APP_ID;

fn read(host: &str, path: &str, token: Option<&str>) -> Request {
    let request = Request::get(format!("https://{host}{path}"));
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

// directory 11: challenge
#[tokio::test]
async fn the_challenge_names_a_resource_that_is_a_parent_domain_of_the_vaults_host() {
    let world = World::new();
    for (host, path, resource) in [
        ("localhost:4430", "/vault/contoso/secrets/s/?api-version=7.4", "https://vault.azure.net"),
        ("contoso.vault.localhost:4430", "/secrets/s/?api-version=7.4", "https://vault.localhost:4430"),
    ] {
        let reply = world.send(read(host, path, None)).await.is(401);
        let challenge = reply.headers[WWW_AUTHENTICATE].to_str().unwrap();
        let authority = format!("https://localhost:{PORT}/{TENANT}");
        assert_eq!(challenge, format!(r#"Bearer authorization="{authority}", resource="{resource}""#));
        assert!(reply.error().1.starts_with("AKV10000: "), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_vault_is_the_same_by_path_and_by_host_and_links_lead_back() {
    let world = World::with("secrets-officer");
    world.set("a", "1").await;
    world.set("b", "2").await;
    let path = "/secrets?maxresults=1&api-version=7.4";
    let by_host = read("contoso.vault.localhost:4430", path, Some(&world.token()));
    let by_host = world.send(by_host).await.is(200);
    let link = by_host.body["nextLink"].as_str().unwrap();
    assert!(link.starts_with("https://contoso.vault.localhost:4430/secrets?"), "{link}");
    assert_eq!(world.get(link).await.is(200).names(), ["b"]);
    let by_path = world.get("/secrets?maxresults=1").await.is(200);
    let link = by_path.body["nextLink"].as_str().unwrap();
    assert!(link.starts_with("https://localhost:4430/vault/contoso/secrets?"), "{link}");
    assert_eq!(by_path.body["value"], by_host.body["value"]);
}

#[tokio::test]
async fn a_token_for_something_else_or_of_another_tenant_is_refused() {
    let world = World::with("secrets-officer");
    let issuer = |tenant: &str| format!("https://localhost:{PORT}/{tenant}/");
    for (claims, message) in [
        (json!({ "aud": "https://graph.microsoft.com" }), "AKV10022: "),
        (json!({ "iss": "https://sts.windows.net/x/" }), "AKV10032: "),
        (
            json!({
                "tid": OTHER_TENANT, "iss": issuer(OTHER_TENANT), "oid": world.principal(OTHER_TENANT),
            }),
            "AKV10032: ",
        ),
        (json!({ "oid": "33333333-0000-4000-8000-000000000000" }), "[BearerTokenInvalid]"),
        (json!({ "cnf": { "x5t#S256": "abc" } }), "[BearerTokenInvalid]"),
        (json!({ "exp": 5 }), "[TokenExpired]"),
    ] {
        let token = world.token_with(&claims);
        let path = "/vault/contoso/secrets/s?api-version=7.4";
        let reply = world.send(read("localhost:4430", path, Some(&token))).await.is(401);
        assert_eq!(reply.error().0, "Unauthorized");
        assert!(reply.error().1.starts_with(message), "{claims}: {}", reply.body);
        assert!(reply.headers.contains_key(WWW_AUTHENTICATE));
    }
    for audience in ["https://vault.localhost:4430", "https://vault.azure.net/", VAULT_APP_ID] {
        let token = world.token_with(&json!({ "aud": audience }));
        let path = "/vault/contoso/secrets?api-version=7.4";
        world.send(read("localhost:4430", path, Some(&token))).await.is(200);
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_is_challenged_if_its_client_understands_that() {
    let world = World::with("secrets-user");
    let understanding = world.token_with(&json!({ "xms_cc": ["cp1"] }));
    let path = "/vault/contoso/secrets?api-version=7.4";
    let asked = |token: String| world.send(read("localhost:4430", path, Some(&token)));
    asked(understanding.clone()).await.is(200);
    world.clock.advance(Duration::from_secs(60));
    let now = i64::try_from(NOW).unwrap() + 60;
    world.store.revoke_application(VAULT_APP_ID, Some(TENANT), now).unwrap();
    let reply = asked(understanding).await.is(401);
    let challenge = reply.headers[WWW_AUTHENTICATE].to_str().unwrap();
    let claims = challenge.split_once(r#", error="insufficient_claims", claims=""#).unwrap().1;
    let claims = BASE64_STANDARD.decode(claims.trim_end_matches('"')).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["access_token"]["nbf"]["value"], now.to_string());
    asked(world.token_with(&json!({ "xms_cc": ["cp1"] }))).await.is(200);
}

#[tokio::test]
async fn a_role_opens_what_it_is_for_and_a_missing_one_is_said() {
    let world = World::new();
    let denied = world.get("/secrets/s").await.is(403);
    assert_eq!(denied.error().0, "Forbidden");
    assert_eq!(denied.body["error"]["innererror"]["code"], "ForbiddenByRbac");
    let message = denied.error().1;
    assert!(message.contains(CLIENT) && message.contains("secrets/getSecret/action"), "{message}");
    world.grant("secrets-user");
    world.get("/secrets/s").await.is(404);
    world.get("/secrets").await.is(200);
    world.ask("PUT", "/secrets/s", json!({ "value": "v" })).await.is(403);
    world.ask("DELETE", "/secrets/s", Value::Null).await.is(403);
    world.get("/certificates").await.is(403);
    world.grant("secrets-officer");
    world.set("s", "v").await;
    world.store.revoke_vault_role(TENANT, CLIENT, "secrets-officer").unwrap();
    world.get("/secrets/s").await.is(200);
    world.ask("DELETE", "/secrets/s", Value::Null).await.is(403);
}

#[tokio::test]
async fn the_version_of_the_api_must_be_given_and_newer_ones_are_answered() {
    let world = World::with("secrets-user");
    for (version, status) in [
        ("?", 400),
        ("?api-version=", 400),
        ("?api-version=latest", 400),
        ("?api-version=2016-1-1", 400),
        ("?api-version=7.6", 200),
        ("?api-version=2026-04-01", 200),
        ("?api-version=2031-10-01-preview", 200),
    ] {
        let path = format!("/vault/contoso/secrets{version}");
        let reply = world.send(read("localhost:4430", &path, Some(&world.token()))).await;
        assert_eq!(reply.status, status, "{version}");
    }
}

#[tokio::test]
async fn a_method_that_a_client_cannot_send_is_sent_as_a_header() {
    let world = World::with("secrets-officer");
    world.set("s", "v").await;
    for (header, method) in [("X-HTTP-Method", "PATCH"), ("X-HTTP-REQUEST", "DELETE")] {
        let request = Request::post("https://localhost:4430/vault/contoso/secrets/s?api-version=7.4")
            .header("authorization", format!("Bearer {}", world.token()))
            .header(header, method)
            .body(Body::from("{}"));
        world.send(request.unwrap()).await.is(200);
    }
    world.get("/deletedsecrets/s").await.is(200);
}

#[tokio::test]
async fn a_vault_that_is_asked_too_much_says_when_to_come_back() {
    let world = World::with("secrets-user");
    world.control.set([("throttling", "small"), ("throttling-scale", "0.001")]).unwrap();
    for _ in 0..4 {
        world.get("/secrets").await.is(200);
    }
    let refused = world.get("/secrets").await.is(429);
    assert_eq!(refused.error().0, "Throttled");
    assert_eq!(refused.headers["retry-after"], "5");
}

#[tokio::test]
async fn each_tenant_has_a_vault_of_its_own() {
    let world = World::with("administrator");
    world.set("s", "v").await;
    let token = world.token();
    let path = "/vault/fabrikam/secrets/s?api-version=7.4";
    world.send(read("localhost:4430", path, Some(&token))).await.is(401);
    let path = "/vault/nobody/secrets/s?api-version=7.4";
    world.send(read("localhost:4430", path, Some(&token))).await.is(404);
}
