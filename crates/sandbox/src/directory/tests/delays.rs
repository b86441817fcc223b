use super::*;

// directory 1: a just-created object may 404 for seconds; 13.10
#[tokio::test]
async fn what_was_just_made_is_not_found_until_every_reader_knows_it() {
    let world = World::with_users(1);
    world.control.set([("replication-delay", "10s")]).unwrap();
    world.clock.advance(Duration::from_secs(60));
    let made = world.new_user("ada").await.is(201);
    let path = format!("/v1.0/users/{}", made.body["id"].as_str().unwrap());
    world.get(&path).await.is(404);
    world.clock.advance(Duration::from_secs(10));
    world.get(&path).await.is(200);
}

// directory 9.1, AC-10: claims only for who declared cp1
#[tokio::test]
async fn a_client_that_handles_claims_challenges_gets_one_when_it_was_disabled() {
    let world = World::new();
    let path = format!("/v1.0/servicePrincipals/{}", world.administrator);
    let token = world.token_with(&json!({ "roles": ALL, "xms_cc": ["CP1"] }));
    world.patch(&path, &json!({ "accountEnabled": false })).await.is(204);
    let refused = world.ask(&token, Method::GET, "/v1.0/users", None).await.is(401);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(r#"error="insufficient_claims", claims="ey"#), "{challenge}");
    let refused = world.ask(&world.token(&ALL), Method::GET, "/v1.0/users", None).await.is(401);
    assert!(!refused.headers.contains_key("www-authenticate"));
}
