use super::*;

fn credential(name: &str, subject: &str) -> Value {
    json!({
        "name": name, "issuer": "https://token.actions.githubusercontent.com", "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
    })
}

// directory 4.4
#[tokio::test]
async fn a_federated_credential_is_made_found_changed_and_removed() {
    let world = World::new();
    let made = world.post("/v1.0/applications", &json!({ "displayName": "ci" })).await.is(201);
    let path =
        format!("/v1.0/applications/{}/federatedIdentityCredentials", made.body["id"].as_str().unwrap());
    let made = world.post(&path, &credential("github", "repo:a/b:ref:refs/heads/main")).await.is(201);
    let id = made.body["id"].as_str().unwrap();
    assert!(made.headers["location"].to_str().unwrap().ends_with(id));
    for key in [id, "github"] {
        let read = world.get(&format!("{path}/{key}")).await.is(200);
        assert_eq!(read.body["subject"], "repo:a/b:ref:refs/heads/main");
    }
    let found = world.get(&format!("{path}?$filter=name%20eq%20'github'")).await.is(200);
    assert_eq!(found.column("id"), [id]);
    let none = world.get(&format!("{path}?$filter=subject%20eq%20'repo:x'")).await.is(200);
    assert_eq!(none.body["value"], json!([]));
    let change = json!({ "subject": "repo:a/b:pull_request", "description": "for pull requests" });
    world.patch(&format!("{path}/{id}"), &change).await.is(204);
    let read = world.get(&format!("{path}(name='github')")).await.is(200);
    assert_eq!(read.body["subject"], "repo:a/b:pull_request");
    world.patch(&format!("{path}/{id}"), &json!({ "name": "other" })).await.is(400);
    let token = world.token(&ALL);
    let upsert = [("Prefer", "create-if-missing")];
    let mut new = credential("x", "repo:c/d");
    new.as_object_mut().unwrap().remove("name");
    let by_name = format!("{path}(name='gitlab')");
    let made = world.ask_with(&token, Method::PATCH, &by_name, Some(&new), &upsert).await.is(201);
    assert_eq!((&made.body["name"], &made.body["subject"]), (&json!("gitlab"), &json!("repo:c/d")));
    new["subject"] = json!("repo:c/e");
    world.ask_with(&token, Method::PATCH, &by_name, Some(&new), &upsert).await.is(204);
    assert_eq!(world.get(&by_name).await.is(200).body["subject"], "repo:c/e");
    world.delete(&format!("{path}/{id}")).await.is(204);
    world.delete(&format!("{path}/{id}")).await.is(404);
}

// directory 4.4, authority 7.4: limits
#[tokio::test]
async fn what_is_no_federated_credential_is_refused_in_the_services_words() {
    let world = World::new();
    let made = world.post("/v1.0/applications", &json!({ "displayName": "ci" })).await.is(201);
    let path =
        format!("/v1.0/applications/{}/federatedIdentityCredentials", made.body["id"].as_str().unwrap());
    let one_audience = "Federated identity credentials must have exactly one audience.";
    for (property, value, words) in [
        ("audiences", json!([]), one_audience),
        ("audiences", json!(["a", "b"]), one_audience),
        ("subject", json!(""), "Federated Identity Credential from HTTP body has empty properties"),
        ("name", json!("a b c"), "name 'a b c' is invalid."),
        ("name", json!("ab"), "name 'ab' is invalid."),
        ("issuer", json!("x".repeat(601)), "'issuer'"),
        ("shoeSize", json!("44"), "Invalid property 'shoeSize'."),
    ] {
        let mut wrong = credential("name", "subject");
        wrong[property] = value;
        let refused = world.post(&path, &wrong).await.is(400);
        assert!(refused.message().contains(words), "{property}: {}", refused.message());
    }
    for index in 0..20 {
        world.post(&path, &credential(&format!("name{index}"), &format!("subject{index}"))).await.is(201);
    }
    assert!(world.post(&path, &credential("one-more", "s")).await.is(400).message().contains("maximum"));
    world.delete(&format!("{path}/name7")).await.is(204);
    world.post(&path, &credential("name1", "s")).await.is(409);
    let twice = world.post(&path, &credential("name-x", "subject1")).await.is(400);
    assert!(twice.message().starts_with("Issuer and subject combination already exists"));
}
