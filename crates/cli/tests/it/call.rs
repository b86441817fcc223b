//! `unattended call`: one request, or every page of an answer.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Sandbox, Workplace};

#[test]
fn every_page_is_followed_and_each_item_is_a_line() {
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::registered(&sandbox);
    let run =
        place.run(&["call", "graph", "GET", "/users?$select=id,displayName&$top=40", "--all"]).expect(0);
    let users = run.ndjson();
    assert_eq!(users.len(), 250);
    let ids: BTreeSet<&str> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 250);
}

#[test]
fn without_all_one_page_is_one_document() {
    let sandbox = Sandbox::with_users(50);
    let place = Workplace::registered(&sandbox);
    let page = place.run(&["call", "graph", "GET", "/users?$top=40"]).expect(0).json();
    assert_eq!(page["value"].as_array().unwrap().len(), 40);
    assert!(page["@odata.nextLink"].is_string());
}

#[test]
fn a_body_is_taken_from_the_command_line_or_from_a_file() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let domain = sandbox.ready("tenant_domain");
    let user = |name: &str| {
        serde_json::json!({
            "accountEnabled": true,
            "displayName": "Zoë Çelik",
            "mailNickname": name,
            "userPrincipalName": format!("{name}@{domain}"),
            "passwordProfile": { "password": "Xk4-not-a-real-one!", "forceChangePasswordNextSignIn": true },
        })
        .to_string()
    };
    place.run(&["call", "graph", "POST", "/users", "--body", &user("from.text")]).expect(0);
    fs::write(place.path("user.json"), user("from.file")).unwrap();
    place.run(&["call", "graph", "POST", "/users", "--body", "@user.json"]).expect(0);

    for name in ["from.text", "from.file"] {
        let path = format!("/users/{name}@{domain}");
        let user = place.run(&["call", "graph", "GET", &path]).expect(0).json();
        assert_eq!(user["displayName"], "Zoë Çelik");
        place.run(&["call", "graph", "PATCH", &path, "--body", r#"{"department":"Research"}"#]).expect(0);
        place.run(&["call", "graph", "DELETE", &path]).expect(0);
        place.run(&["call", "graph", "GET", &path]).expect(1);
    }
}
