use super::*;

fn responses(reply: &Reply) -> Vec<(&str, u64)> {
    let responses = reply.body["responses"].as_array().unwrap();
    responses.iter().map(|one| (one["id"].as_str().unwrap(), one["status"].as_u64().unwrap())).collect()
}

fn create(id: &str, name: &str) -> Value {
    json!({
        "id": id, "method": "POST", "url": "/users", "headers": { "Content-Type": "application/json" },
        "body": user(name),
    })
}

// directory 7
#[tokio::test]
async fn each_request_of_a_batch_succeeds_or_fails_on_its_own() {
    let world = World::new();
    let batch = json!({ "requests": [
        create("1", "ada"),
        create("2", "ADA"),
        { "id": "3", "method": "GET", "url": "users/ada@contoso.onmicrosoft.com?$select=displayName" },
        { "id": "4", "method": "PATCH", "url": "/users/nobody@contoso.onmicrosoft.com",
          "headers": { "content-type": "application/json" }, "body": { "jobTitle": "x" } },
        { "id": "5", "method": "delete", "url": "/users/ada@contoso.onmicrosoft.com" },
        { "id": "6", "method": "GET", "url": "/nothing" },
        { "id": "7", "method": "POST", "url": "/$batch" },
        { "id": "8", "method": "GET", "url": "/users?$top=1" },
    ]});
    let reply = world.post("/v1.0/$batch", &batch).await.is(200);
    assert_eq!(
        responses(&reply),
        [("1", 201), ("2", 400), ("3", 200), ("4", 404), ("5", 204), ("6", 400), ("7", 400), ("8", 200)]
    );
    let responses = &reply.body["responses"];
    assert!(responses[0]["headers"]["Location"].as_str().unwrap().starts_with(BASE));
    assert_eq!(responses[0]["headers"]["Content-Type"], "application/json");
    assert!(responses[1]["body"]["error"]["message"].as_str().unwrap().contains("already exists"));
    assert!(responses[1]["body"]["error"]["innerError"]["request-id"].is_string());
    assert_eq!(responses[2]["body"]["displayName"], "ada");
    assert!(responses[4].get("body").is_none());
}

#[tokio::test]
async fn the_outer_token_decides_what_inner_requests_may_do() {
    let world = World::new();
    let token = world.token(&["User.Read.All"]);
    let mut forged = create("1", "ada");
    forged["headers"]["Authorization"] = format!("Bearer {}", world.token(&ALL)).into();
    let batch = json!({ "requests": [forged, { "id": "2", "method": "GET", "url": "/users" }] });
    let reply = world.ask(&token, Method::POST, "/v1.0/$batch", Some(&batch)).await.is(200);
    assert_eq!(responses(&reply), [("1", 403), ("2", 200)]);
    assert_eq!(reply.body["responses"][0]["body"]["error"]["code"], "Authorization_RequestDenied");
    let batch = Request::post("/v1.0/$batch").body(Body::from(batch.to_string())).unwrap();
    world.send(batch).await.is(401);
}

#[tokio::test]
async fn a_malformed_batch_does_nothing_at_all() {
    let world = World::new();
    let get = |id: &str| json!({ "id": id, "method": "GET", "url": "/users" });
    let many: Vec<Value> = (0..21).map(|id| get(&id.to_string())).collect();
    let mut untyped = create("2", "bob");
    untyped.as_object_mut().unwrap().remove("headers");
    for (requests, words) in [
        (json!(many), "exceeds the maximum value of 20"),
        (json!([create("1", "ada"), get("a"), get("A")]), "not unique"),
        (
            json!([create("1", "ada"), untyped]),
            "Write request id : 2 does not contain Content-Type header or body.",
        ),
        (json!([create("1", "ada"), { "method": "GET", "url": "/users" }]), "id"),
        (json!([create("1", "ada"), { "id": "2", "url": "/users" }]), "method"),
        (
            json!([create("1", "ada"), { "id": "2", "method": "GET", "url": "https://graph.microsoft.com/v1.0/users" }]),
            "relative",
        ),
        (
            json!([create("1", "ada"), { "id": "2", "method": "GET", "url": "//evil.example/users" }]),
            "relative",
        ),
        (
            json!([create("1", "ada"), { "id": "2", "method": "GET", "url": "/users", "dependsOn": ["3"] }]),
            "dependsOn",
        ),
        (
            json!([create("1", "ada"), { "id": "2", "method": "GET", "url": "/users", "dependsOn": "1" }]),
            "dependsOn",
        ),
        (
            json!([create("1", "ada"), { "id": "2", "method": "GET", "url": "/users", "headers": ["x"] }]),
            "headers",
        ),
        (json!([create("1", "ada"), 7]), "Invalid batch payload format."),
        (json!({}), "Invalid batch payload format."),
    ] {
        let refused = world.post("/v1.0/$batch", &json!({ "requests": requests })).await.is(400);
        assert!(refused.message().contains(words), "{}", refused.message());
    }
    world.get("/v1.0/users/ada@contoso.onmicrosoft.com").await.is(404);
    world.get("/v1.0/$batch").await.is(405);
    let twenty: Vec<Value> = (0..20).map(|id| get(&id.to_string())).collect();
    world.post("/beta/%24batch", &json!({ "requests": twenty })).await.is(200);
}

#[tokio::test]
async fn what_depends_on_a_failure_fails_with_424_and_order_follows_dependence() {
    let world = World::new();
    let mut late = json!({ "id": "late", "method": "GET", "url": "/users/ada@contoso.onmicrosoft.com" });
    late["dependsOn"] = json!(["Make"]);
    let batch = json!({ "requests": [
        late,
        create("make", "ada"),
        { "id": "fail", "method": "GET", "url": "/users/nobody@contoso.onmicrosoft.com" },
        { "id": "after", "method": "GET", "url": "/users", "dependsOn": ["fail"] },
        { "id": "afterwards", "method": "GET", "url": "/users", "dependsOn": ["after"] },
    ]});
    let reply = world.post("/v1.0/$batch", &batch).await.is(200);
    assert_eq!(
        responses(&reply),
        [("make", 201), ("late", 200), ("fail", 404), ("after", 424), ("afterwards", 424)]
    );
}
