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

#[test]
fn a_forced_refresh_asks_the_authority() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.run(&["token", "graph", "--force-refresh"]).expect(0).says(&["User.ReadWrite.All"]);
}

#[test]
fn the_only_api_need_not_be_named() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.run(&["token"]).expect(0).says(&["User.ReadWrite.All"]);
}
