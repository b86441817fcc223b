//! Lifetimes, revocation, and how often a client may ask.

use serde_json::{Value, json};

use super::world::{Answer, App, GRAPH, NOW, TENANT, World};

const CAPABLE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

fn world() -> (World, App, String) {
    let world = World::new();
    let app = world.app("nightly export");
    let (_, secret) = world.secret(&app, NOW, NOW + 10_000_000);
    (world, app, secret)
}

async fn ask(world: &World, app: &App, secret: &str, scope: &str, claims: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", secret),
        ("scope", scope),
        ("claims", claims),
    ];
    world.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await
}

// authority 12
#[tokio::test]
async fn a_token_lives_as_long_as_the_setting_says() {
    let (world, app, secret) = world();
    world.set("token-life", "60m..90m");
    let mut lives = Vec::new();
    for _ in 0..8 {
        let answer = world.token(&app, &secret, GRAPH).await;
        let life = answer.body["expires_in"].as_i64().unwrap();
        assert!((3600..=5400).contains(&life), "{life}");
        assert_eq!(answer.claims()["exp"], json!(NOW + life + 1));
        assert_eq!(answer.body.get("refresh_in"), None);
        lives.push(life);
    }
    lives.sort_unstable();
    lives.dedup();
    assert!(lives.len() > 1, "{lives:?}");
    world.set("token-life", "10m");
    assert_eq!(world.token(&app, &secret, GRAPH).await.body["expires_in"], 600);
}

// AC-10
#[tokio::test]
async fn a_client_that_handles_challenges_gets_a_long_token_of_graph() {
    let (world, app, secret) = world();
    let answer = ask(&world, &app, &secret, GRAPH, CAPABLE).await;
    let life = answer.body["expires_in"].as_i64().unwrap();
    assert!((20 * 3600..=28 * 3600).contains(&life), "{life}");
    assert_eq!(answer.body["refresh_in"], life / 2);
    assert_eq!(answer.claims()["xms_cc"], json!(["cp1"]));

    // Another API is asked whether it wants to know, and never gets a long one; neither does a client of many tenants.
    let plain = json!({});
    let curious = json!({ "optionalClaims": { "accessToken": [{ "name": "xms_cc" }] } });
    for (name, registration, capabilities) in
        [("plain", plain, Value::Null), ("curious", curious, json!(["cp1"]))]
    {
        let api = world.application(name, registration);
        let uri = format!("api://{name}");
        world.principal(&api, Some(2), json!({ "servicePrincipalNames": [api.client_id, uri] }));
        let answer = ask(&world, &app, &secret, &format!("{uri}/.default"), CAPABLE).await;
        assert_eq!(answer.body["expires_in"], 3599);
        assert_eq!(answer.claims().get("xms_cc").cloned().unwrap_or_default(), capabilities);
    }
    let many = world.application("many", json!({ "signInAudience": "AzureADMultipleOrgs" }));
    world.principal(&many, None, json!({}));
    let (_, secret) = world.secret(&many, NOW, NOW + 100);
    assert_eq!(ask(&world, &many, &secret, GRAPH, CAPABLE).await.body["expires_in"], 3599);
}

// AC-10
#[tokio::test]
async fn a_claims_request_gets_a_token_that_began_after_the_revocation() {
    let (world, app, secret) = world();
    assert_eq!(ask(&world, &app, &secret, GRAPH, CAPABLE).await.claims()["nbf"], json!(NOW - 300));
    let challenge = format!(
        r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{NOW}"}},"xms_cc":{{"values":["cp1"]}}}}}}"#
    );
    assert_eq!(ask(&world, &app, &secret, GRAPH, &challenge).await.claims()["nbf"], json!(NOW));
}

// AC-12
#[tokio::test]
async fn a_client_that_asks_the_same_again_and_again_is_taken_for_a_loop() {
    let (world, app, secret) = world();
    let other = format!("{}/.default", app.client_id);
    for _ in 0..20 {
        assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0, "the rule is off");
    }
    world.set("loop-rule", "on");
    for _ in 0..15 {
        assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
        world.pass(1);
    }
    let refused = world.token(&app, &secret, GRAPH).await;
    assert_eq!((refused.code(), refused.body["error"].as_str()), (50_196, Some("invalid_grant")));
    assert_eq!(world.token(&app, &secret, &other).await.code(), 0, "another resource is another request");
    world.pass(285);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
}

// AC-12
#[tokio::test]
async fn a_tenant_over_its_quota_is_told_when_to_come_back() {
    let (world, app, secret) = world();
    world.set("token-quota", "2");
    for _ in 0..2 {
        assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
        world.pass(3);
    }
    let refused = world.token(&app, &secret, GRAPH).await;
    assert_eq!((refused.code(), refused.status.as_u16()), (90_055, 429));
    assert_eq!(refused.headers["retry-after"], "4");
    world.pass(4);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
}

#[tokio::test]
async fn a_restored_snapshot_forgives_who_asked_too_often() {
    let (world, app, secret) = world();
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("a.sqlite3");
    world.set("token-quota", "1");
    world.store.snapshot(&snapshot).unwrap();
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 90_055);
    world.store.restore(&snapshot).unwrap();
    assert_eq!(world.token(&app, &secret, GRAPH).await.code(), 0);
}

// AC-9
#[tokio::test]
async fn tokens_are_signed_with_the_active_key_while_the_next_one_is_published() {
    let (world, app, secret) = world();
    let kid = async || world.token(&app, &secret, GRAPH).await.part(0)["kid"].as_str().unwrap().to_owned();
    let first = kid().await;
    let now = unattended_core::Clock::now(&world.clock);
    let next = world.keys.prepublish(&world.store, now).unwrap()[1].kid.clone();
    assert_eq!(kid().await, first);
    world.keys.rotate(&world.store, now).unwrap();
    assert_eq!(kid().await, next);
    world.keys.revoke(&world.store, &next, now).unwrap();
    let unseen = kid().await;
    assert!(unseen != first && unseen != next);
    let request = http::Request::get(format!("https://localhost:8443/{TENANT}/discovery/v2.0/keys"));
    let published = world.send(request.body(axum::body::Body::empty()).unwrap()).await.body;
    let published: Vec<&str> =
        published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(published, [first, unseen]);
}

// AC-1
#[tokio::test]
async fn instance_discovery_may_be_told_not_to_know_this_authority() {
    let world = World::new();
    let ask = async || {
        let url = "https://localhost:8443/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flocalhost%3A8443%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize";
        world.send(http::Request::get(url).body(axum::body::Body::empty()).unwrap()).await
    };
    assert_eq!(ask().await.status, 200);
    world.set("instance-discovery", "unknown");
    let refused = ask().await;
    assert_eq!((refused.status.as_u16(), refused.body["error"].as_str()), (400, Some("invalid_instance")));
}
