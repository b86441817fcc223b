//! `unattended call`: one request, or every page of an answer.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Run, Sandbox, Workplace};

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

// PF-1, PF-2, PF-4
#[test]
fn in_parallel_every_item_comes_once_and_the_count_is_compared() {
    let sandbox = Sandbox::with_users(1_500);
    let place = Workplace::registered(&sandbox);
    let read = |path: &str, more: &[&str]| {
        place.run(&[&["call", "graph", "GET", path, "--all", "--parallel"], more].concat())
    };
    let ids = |run: &Run| -> BTreeSet<String> {
        run.ndjson().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
    };
    let run = read("/users?$select=id,displayName&$top=20", &["16"]).expect(0);
    run.says(&["1500 items in", "parts"]);
    assert_eq!((run.ndjson().len(), ids(&run).len()), (1_500, 1_500));
    assert_eq!(ids(&run), ids(&place.run(&["call", "graph", "GET", "/users?$select=id", "--all"]).expect(0)));

    let some = "/users?$select=id&$top=10&$filter=startswith(displayName,'M') or startswith(displayName,'j')";
    let one_by_one = place.run(&["call", "graph", "GET", some, "--all"]).expect(0);
    assert_eq!(ids(&read(some, &[]).expect(0)), ids(&one_by_one));

    for (path, said) in [
        ("/users?$search=\"displayName:a\"", "$search"),
        ("/users?$orderby=displayName", "$orderby"),
        ("/users?$select=displayName", "`id`"),
        ("/servicePrincipals/x/appRoleAssignedTo", "in parallel"),
    ] {
        read(path, &[]).expect(1).says(&[said, "hint: leave `--parallel` out"]);
    }
    place.run(&["call", "graph", "GET", "/users", "--parallel"]).expect(2).says(&["--all"]);
}

// PG-9
#[test]
fn a_page_that_is_too_large_is_refused_with_the_right_number() {
    let sandbox = Sandbox::with_users(10);
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["--json", "call", "graph", "GET", "/users?$top=1000", "--all"]).expect(1);
    assert_eq!(run.json()["error"]["largest_page"], 999);
    run.says(&["at most 999 items", "hint: ask for at most $top=999"]);
}

// AQ-1
#[test]
fn a_query_that_needs_more_says_which_option_adds_it() {
    let sandbox = Sandbox::with_users(10);
    let place = Workplace::registered(&sandbox);
    let path = "/users?$filter=endsWith(userPrincipalName,'x')&$select=id";
    for more in [&[][..], &["--all"]] {
        let command = [&["call", "graph", "GET", path], more].concat();
        place
            .run(&command)
            .expect(1)
            .says(&["hint: the directory answers `endsWith` only", "add `--advanced`"]);
        place.run(&[&command[..], &["--advanced"]].concat()).expect(0);
    }
    fs::write(place.path("requests.ndjson"), format!("{{\"url\":\"{path}\"}}\n")).unwrap();
    let refused = place.run(&["call", "graph", "--batch", "requests.ndjson"]).expect(1).ndjson();
    assert!(refused[0]["error"]["remedy"].as_str().unwrap().contains("`endsWith`"), "{}", refused[0]);
    place.run(&["call", "graph", "--batch", "requests.ndjson", "--advanced"]).expect(0);
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

// BT-2, BT-3
#[test]
fn a_file_of_requests_becomes_a_file_of_results_in_its_order() {
    let sandbox = Sandbox::with_users(130);
    let place = Workplace::registered(&sandbox);
    let users = place.run(&["call", "graph", "GET", "/users?$select=id&$top=999"]).expect(0).json();
    let ids: Vec<&str> =
        users["value"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let mut lines = String::new();
    for (number, id) in ids.iter().enumerate().take(120) {
        lines += &format!("{{\"id\":\"u{number}\",\"url\":\"/users/{id}?$select=id\"}}\n");
    }
    lines += "{\"id\":\"none\",\"url\":\"/users/nobody\"}\n";
    let (a, b) = (ids[0], ids[1]);
    lines += &format!(
        "{{\"id\":\"p\",\"method\":\"PATCH\",\"url\":\"/users/{a}\",\"body\":{{\"jobTitle\":\"T\"}}}}\n"
    );
    lines +=
        &format!("{{\"id\":\"q\",\"method\":\"DELETE\",\"url\":\"/users/{b}\",\"dependsOn\":[\"P\"]}}\n");
    fs::write(place.path("requests.ndjson"), &lines).unwrap();

    let printed = place.run(&["call", "graph", "--batch", "requests.ndjson"]).expect(1);
    let results = printed.ndjson();
    assert_eq!(
        (results.len(), &results[7]["id"], &results[7]["body"]["id"]),
        (123, &"u7".into(), &ids[7].into())
    );
    assert_eq!(results[120]["error"]["code"], "Request_ResourceNotFound");
    assert_eq!((&results[121]["status"], &results[122]["status"]), (&204.into(), &204.into()));

    // As if a process had been killed: half a line is written, and requests were under way up to the 122nd.
    let half: String = results[..110].iter().map(|line| format!("{line}\n")).collect();
    fs::write(place.path("results.ndjson"), half + "{\"id\":\"u11").unwrap();
    fs::write(place.path("results.ndjson.sent"), "122").unwrap();
    let command = ["call", "graph", "--batch", "requests.ndjson", "--to", "results.ndjson"];
    place.run(&command).expect(1).says(&["going on after 110 results", "under way"]);
    let text = fs::read_to_string(place.path("results.ndjson")).unwrap();
    let kept: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(kept.len() == 123 && kept[..120] == results[..120]);
    assert_eq!(kept[120]["error"]["code"], "Request_ResourceNotFound");
    // The change may have been made before the kill, and is not made again; what waited for it goes.
    assert_eq!(kept[121]["error"]["ambiguous"], true);
    assert!(kept[122]["error"].is_object() && kept[122]["status"] == 404, "{}", kept[122]);
    assert!(!place.path("results.ndjson.sent").exists());
    // Everything is done: nothing is sent again.
    place.run(&command).expect(1);
    assert_eq!(fs::read_to_string(place.path("results.ndjson")).unwrap(), text);

    fs::write(place.path("wrong.ndjson"), "{\"url\":\"/users\",\"metod\":\"GET\"}\n").unwrap();
    place.run(&["call", "graph", "--batch", "wrong.ndjson"]).expect(2).says(&["wrong.ndjson:1", "metod"]);
}
