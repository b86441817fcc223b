//! Every documented exit code, met as a user would meet it.

use std::fs;

use crate::support::{Sandbox, Workplace};

#[test]
fn a_command_that_does_not_exist_is_a_usage_error() {
    let place = Workplace::new();
    place.run(&["frobnicate"]).expect(2);
    place.run(&["call", "graph"]).expect(2);
}

#[test]
fn an_option_may_stand_behind_the_code_that_is_to_be_explained() {
    let place = Workplace::new();
    let run = place.run(&["explain", "50196", "--json"]).expect(0);
    assert_eq!(run.json()["errors"][0]["code"], "AADSTS50196");
    place.run(&["explain", "no", "code", "at", "all"]).expect(2).says(&["hint:"]);
}

#[test]
fn a_missing_configuration_says_how_to_get_one() {
    let place = Workplace::new();
    place.run(&["token", "graph"]).expect(78).says(&["unattended.toml", "unattended register"]);
}

#[test]
fn a_mistake_in_the_configuration_is_shown_with_file_line_and_caret() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.edit_config("base-url", "bass-url");
    let line = fs::read_to_string(place.path("unattended.toml"))
        .unwrap()
        .lines()
        .position(|line| line.contains("bass-url"))
        .unwrap()
        + 1;
    let run = place.run(&["token", "graph"]).expect(78);
    run.says(&[&format!("unattended.toml:{line}"), "bass-url", "base-url", "^"]);
}

#[test]
fn an_api_that_is_not_configured_is_a_configuration_error_that_lists_those_that_are() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["token", "grahp"]);
    run.says(&["grahp", "graph"]);
    run.expect(78);
}

#[test]
fn a_credential_that_the_authority_refuses_is_a_refusal() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    place.register(&sandbox, &["--secret", "new", "--grant-admin-consent"]).expect(0);
    fs::write(place.credential_file(), "not-the-secret-of-this-application").unwrap();
    place.run(&["token", "graph"]).expect(77).says(&["AADSTS7000215", "hint:"]);
}

#[test]
fn an_authority_that_does_not_answer_is_unavailable() {
    let mut sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    sandbox.stop();
    place.run(&["token", "graph"]).expect(69).says(&["error:", "caused by:"]);
}

#[test]
fn a_call_that_the_api_answers_with_an_error_fails() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place
        .run(&["call", "graph", "GET", "/users/nobody@contoso.onmicrosoft.com"])
        .expect(1)
        .says(&["404", "Request_ResourceNotFound"]);
}

#[test]
fn with_json_an_error_is_one_document_on_standard_output() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run =
        place.run(&["--json", "call", "graph", "GET", "/users/nobody@contoso.onmicrosoft.com"]).expect(1);
    assert!(run.json().is_object(), "{run}");
}
