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

// DL-1, DL-6
#[test]
fn a_state_file_makes_the_next_call_bring_what_has_changed() {
    let sandbox = Sandbox::with_users(120);
    let place = Workplace::registered(&sandbox);
    let read = "/users/delta?$select=id,displayName,jobTitle";
    let changes = |read: &str| place.run(&["call", "graph", "GET", read, "--delta", "state.json"]);
    let users = changes(read).expect(0).ndjson();
    assert_eq!(users.len(), 120);
    assert_eq!(crate::support::mode(&place.path("state.json")), 0o600);
    assert!(changes(read).expect(0).ndjson().is_empty());

    let path = |index: usize| format!("/users/{}", users[index]["id"].as_str().unwrap());
    place.run(&["call", "graph", "PATCH", &path(0), "--body", r#"{"jobTitle":"Tester"}"#]).expect(0);
    place.run(&["call", "graph", "DELETE", &path(1)]).expect(0);
    let told = changes(read).expect(0).ndjson();
    assert_eq!(told.len(), 2);
    let of = |index: usize| told.iter().find(|change| change["id"] == users[index]["id"]).unwrap();
    assert_eq!(of(0)["jobTitle"], "Tester");
    assert!(of(1)["@removed"]["reason"].is_string());

    let wider = changes("/users/delta?$select=id").expect(0).ndjson();
    assert_eq!((wider.len(), &wider[0]["@resync"]), (121, &"started".into()));
    assert_eq!(wider[120]["@resync"], "completed");

    fs::write(place.path("state.json"), "nonsense").unwrap();
    changes(read).expect(2).says(&["not the state of a delta query"]);
    place
        .run(&["call", "graph", "GET", "/users/delta?$top=5", "--delta", "new.json"])
        .expect(1)
        .says(&["$top"]);
    place.run(&["call", "graph", "POST", "/users", "--delta", "new.json"]).expect(2);
}

// DL-1
#[test]
fn a_job_that_reads_changes_keeps_a_file_what_the_directory_is() {
    let sandbox = Sandbox::with_users(60);
    let place = Workplace::registered(&sandbox);
    place.append_config(
        "[jobs.people]\nexport = { api = \"graph\", read = \"/users/delta?$select=id,jobTitle\", \
         to = \"people.ndjson\" }\n",
    );
    let people = || {
        place.run(&["run", "people", "--once"]).expect(0);
        let text = fs::read_to_string(place.path("people.ndjson")).unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let before = people();
    assert_eq!(before.len(), 60);
    let path = |index: usize| format!("/users/{}", before[index]["id"].as_str().unwrap());
    place.run(&["call", "graph", "PATCH", &path(0), "--body", r#"{"jobTitle":"Tester"}"#]).expect(0);
    place.run(&["call", "graph", "DELETE", &path(1)]).expect(0);
    let after = people();
    assert_eq!(
        (after.len(), &after[0]["id"], &after[0]["jobTitle"]),
        (59, &before[0]["id"], &"Tester".into())
    );
    assert_eq!(after[1], before[2]);
}
