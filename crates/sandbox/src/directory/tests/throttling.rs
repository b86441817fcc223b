use super::*;

// directory 8: the documented headers; 7: each request of a batch is throttled on its own
#[tokio::test]
async fn a_batch_is_answered_while_its_requests_are_refused_one_by_one() {
    let world = World::with_users(1);
    world.control.set([("throttling", "small"), ("throttling-scale", "0.002")]).unwrap();
    // Seven units in ten seconds; each of these costs two.
    let get = |id: u32| json!({ "id": id.to_string(), "method": "GET", "url": "/users" });
    let batch = json!({ "requests": (1..=5).map(get).collect::<Vec<_>>() });
    let reply = world.post("/v1.0/$batch", &batch).await.is(200);
    let statuses: Vec<_> =
        reply.body["responses"].as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let refused = &reply.body["responses"][3];
    assert!(refused["headers"]["Retry-After"].as_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(refused["body"]["error"]["code"], "TooManyRequests");

    let refused = world.get("/v1.0/users").await.is(429);
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(refused.headers["x-ms-throttle-information"], "ResourceUnitLimitExceeded");
    assert!(refused.headers["x-ms-throttle-scope"].to_str().unwrap().starts_with("Tenant_Application/"));
    world.clock.advance(Duration::from_secs(wait));
    world.get("/v1.0/users?$select=id").await.is(200);
}

#[tokio::test]
async fn nobody_owes_anything_once_a_snapshot_was_restored() {
    let world = World::with_users(1);
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("a.sqlite3");
    world.control.set([("throttling", "small"), ("throttling-scale", "0.001")]).unwrap();
    world.store.snapshot(&snapshot).unwrap();
    world.get("/v1.0/users").await.is(200);
    world.get("/v1.0/users").await.is(429);
    world.store.restore(&snapshot).unwrap();
    world.get("/v1.0/users").await.is(200);
    world.get("/v1.0/users").await.is(429);
}
