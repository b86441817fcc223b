//! What the journal tells of a batch.

use serde_json::{Value, json};

use crate::{administrator_token, client, start};

// RT-5, BT
#[tokio::test]
async fn the_requests_inside_a_batch_are_in_the_journal_with_their_answers() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let token = administrator_token(ready).await;
    let requests = json!({ "requests": [
        { "id": "a", "method": "get", "url": "/users?$top=5" },
        { "id": "b", "method": "GET", "url": "users/nobody" },
        { "id": "c", "method": "POST", "url": "/groups", "headers": { "Content-Type": "application/json" },
          "body": { "displayName": "S3CRET" }, "dependsOn": ["b"] },
    ] });
    let http = client(ready);
    let batch = http
        .post(format!("{}/$batch", ready.graph))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .json(&requests);
    let answer: Value = batch.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["responses"].as_array().unwrap().len(), 3);

    let control = std::fs::read_to_string(ready.ca_file.with_file_name("control.token")).unwrap();
    let journal = http.get(format!("{}/sandbox/journal", ready.authority)).bearer_auth(control);
    let journal = journal.send().await.unwrap().text().await.unwrap();
    assert!(!journal.contains("S3CRET"));
    let entries: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outer = entries.iter().find(|it| it["path"] == "/graph/v1.0/$batch").unwrap();
    assert_eq!((&outer["status"], outer.get("batch")), (&json!(200), None));
    let inner: Vec<&Value> = entries.iter().filter(|it| it["batch"] == outer["number"]).collect();
    let told: Vec<_> = inner.iter().map(|it| (&it["method"], &it["path"], &it["status"])).collect();
    assert_eq!(
        told,
        [
            (&json!("GET"), &json!("/graph/v1.0/users"), &json!(200)),
            (&json!("GET"), &json!("/graph/v1.0/users/nobody"), &json!(404)),
            (&json!("POST"), &json!("/graph/v1.0/groups"), &json!(424)),
        ]
    );
    assert_eq!(inner[0]["query"], json!(["$top"]));
    assert!(inner.iter().all(|it| it["application"] == ready.administrator.client_id.as_str()));
    assert!(inner.iter().all(|it| it["origin"] == ready.authority.as_str()));
    sandbox.shutdown().await;
}
