//! `unattended token`: what a token says; the token itself only when asked for.

use crate::support::{Sandbox, Workplace};

#[test]
fn the_audience_the_application_the_tenant_the_roles_and_the_expiry_are_shown_but_not_the_token() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["token", "graph"]).expect(0);
    run.says(&[&place.client_id(), sandbox.ready("tenant_id"), "User.ReadWrite.All"]);
    run.says(&["audience", "application", "tenant", "roles", "expires"]);
    assert!(!run.to_string().contains("eyJ"), "{run}");
}

#[test]
fn with_json_the_same_is_one_document_without_the_token() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["--json", "token", "graph"]).expect(0);
    let token = run.json();
    assert_eq!(token["roles"], serde_json::json!(["User.ReadWrite.All"]), "{run}");
    assert!(!run.to_string().contains("eyJ"), "{run}");
}

#[test]
fn with_raw_the_token_stands_alone_on_standard_output() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["token", "graph", "--raw"]).expect(0);
    let token = run.stdout.trim_end();
    assert!(
        token.starts_with("eyJ") && token.split('.').count() == 3 && !token.contains(char::is_whitespace),
        "{run}"
    );
    assert!(!run.stderr.contains("eyJ"));
}

// 45 (identity, section 3.3)
#[cfg(unix)]
#[test]
fn a_forced_refresh_asks_the_authority_although_a_live_token_is_kept() {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let mut key = std::fs::OpenOptions::new();
    let mut key = key.write(true).create_new(true).mode(0o600).open(place.path("store.key")).unwrap();
    key.write_all(&[7; 32]).unwrap();
    place.append_config("\n[application.token-store]\ndirectory = \"tokens\"\nkeys = [\"file:store.key\"]\n");
    let source = |arguments: &[&str]| place.run(arguments).expect(0).json()["source"].clone();
    assert_eq!(source(&["--json", "token", "graph"]), "server");
    assert_eq!(source(&["--json", "token", "graph"]), "store");
    assert_eq!(source(&["--json", "token", "graph", "--force-refresh"]), "server");
}

#[test]
fn the_only_api_need_not_be_named() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.run(&["token"]).expect(0).says(&["User.ReadWrite.All"]);
}
