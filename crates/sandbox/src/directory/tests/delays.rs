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

// directory 13.9: stale read
#[tokio::test]
async fn a_read_after_a_write_is_served_from_before_it_for_as_long_as_the_setting_says() {
    let world = World::with_users(3);
    world.control.set([("read-lag", "10s")]).unwrap();
    let page = world.get("/v1.0/users").await.is(200);
    let old = page.column("id")[0].to_owned();
    let path = format!("/v1.0/users/{old}");
    let round = world.get("/v1.0/users/delta?$deltatoken=latest").await.is(200);
    let round = round.body["@odata.deltaLink"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();

    world.clock.advance(Duration::from_secs(1));
    world.patch(&path, &json!({ "displayName": "renamed" })).await.is(204);
    let made = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    // A write sees what was written, a reader does not: not by key, not in lists, counts, batches or changes.
    world.new_user("ada").await.is(400);
    for seconds in [0, 9] {
        world.clock.advance(Duration::from_secs(seconds));
        assert_ne!(world.get(&path).await.is(200).body["displayName"], "renamed");
        world.get(&format!("/v1.0/users/{made}")).await.is(404);
        assert_eq!(world.get("/v1.0/users").await.is(200).column("id").len(), 3);
        assert_eq!(world.get_eventual("/v1.0/users/$count").await.is(200).body, json!(3));
        assert!(world.get(&round).await.is(200).column("id").is_empty());
        let batch = json!({ "requests": [{ "id": "1", "method": "GET", "url": format!("/users/{made}") }] });
        let reply = world.post("/v1.0/$batch", &batch).await.is(200);
        assert_eq!(reply.body["responses"][0]["status"], 404);
    }
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.get(&path).await.is(200).body["displayName"], "renamed");
    assert_eq!(world.get("/v1.0/users").await.is(200).column("id").len(), 4);
    assert_eq!(world.get(&round).await.is(200).column("id").len(), 2);

    // A page of before leads on to the rest of before.
    world.delete(&path).await.is(204);
    let first = world.get("/v1.0/users?$top=2").await.is(200);
    let next = first.body["@odata.nextLink"].as_str().unwrap().strip_prefix(BASE).unwrap();
    let second = world.get(next).await.is(200);
    assert_eq!([first.column("id"), second.column("id")].concat().len(), 4);
    world.control.set([("read-lag", "0s")]).unwrap();
    world.get(&path).await.is(404);
}

#[tokio::test]
async fn after_a_snapshot_was_restored_nobody_reads_from_before() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("a.sqlite3");
    world.store.snapshot(&snapshot).unwrap();
    let made = world.new_user("ada").await.is(201).body["id"].as_str().unwrap().to_owned();
    let path = format!("/v1.0/users/{made}");
    world.control.set([("read-lag", "1h")]).unwrap();
    world.delete(&path).await.is(204);
    world.get(&path).await.is(200);
    world.store.restore(&snapshot).unwrap();
    world.get(&path).await.is(404);
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
    world.ask(&world.token(&ALL), Method::GET, "/v1.0/users", None).await.is(200);
}

// AC-10: the time of a revocation is kept; who cannot be challenged keeps its token until that ends
#[tokio::test]
async fn tokens_from_before_a_revocation_are_challenged_even_when_the_application_is_enabled_again() {
    let world = World::new();
    let path = format!("/v1.0/servicePrincipals/{}", world.administrator);
    let capable = || world.token_with(&json!({ "roles": ALL, "xms_cc": ["cp1"] }));
    let (old, plain) = (capable(), world.token(&ALL));
    world.clock.advance(Duration::from_secs(60));
    world.patch(&path, &json!({ "accountEnabled": false })).await.is(204);
    let principal = world.administrator.clone();
    let enable = json!({ "accountEnabled": true });
    world
        .store
        .write(|it| {
            let mut found = crate::store::principals::find(it, TENANT, "id", &principal)?.unwrap();
            found.object.document.extend(enable.as_object().unwrap().clone());
            crate::store::objects::replace(
                it,
                crate::store::Table::ServicePrincipals,
                TENANT,
                &found.object.document,
            )
        })
        .unwrap();
    world.clock.advance(Duration::from_secs(60));
    let refused = world.ask(&old, Method::GET, "/v1.0/users", None).await.is(401);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    let claims = challenge.split("claims=\"").nth(1).unwrap().trim_end_matches('"');
    let claims = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["access_token"]["nbf"]["value"], (NOW + 60).to_string());
    world.ask(&plain, Method::GET, "/v1.0/users", None).await.is(200);
    world.ask(&capable(), Method::GET, "/v1.0/users", None).await.is(200);
}

// AC-10: deletion revokes too, and outlives a restoration
#[tokio::test]
async fn tokens_from_before_a_deletion_stay_revoked_after_the_restoration() {
    let world = World::new();
    let app = world.post("/v1.0/applications", &json!({ "displayName": "daemon" })).await.is(201).body;
    let made = world.post("/v1.0/servicePrincipals", &json!({ "appId": app["appId"] })).await.is(201).body;
    let id = made["id"].as_str().unwrap();
    let token = || {
        world.token_with(
            &json!({ "roles": ALL, "xms_cc": ["cp1"], "oid": id, "sub": id, "azp": app["appId"] }),
        )
    };
    let old = token();
    world.ask(&old, Method::GET, "/v1.0/users", None).await.is(200);
    world.clock.advance(Duration::from_secs(60));
    world.delete(&format!("/v1.0/servicePrincipals/{id}")).await.is(204);
    world.ask(&old, Method::GET, "/v1.0/users", None).await.is(401);
    world.post(&format!("/v1.0/directory/deletedItems/{id}/restore"), &json!({})).await.is(200);
    world.ask(&old, Method::GET, "/v1.0/users", None).await.is(401);
    world.ask(&token(), Method::GET, "/v1.0/users", None).await.is(200);
}
