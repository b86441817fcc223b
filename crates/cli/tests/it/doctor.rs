//! `unattended doctor`: what is wrong, why, and the command that mends it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Sandbox, Workplace};

#[test]
fn a_fresh_registration_is_healthy() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["doctor"]).expect(0);
    run.says(&["configuration", "credential", "clock", "authority", "token", "roles"]);
}

#[test]
fn with_json_each_finding_has_a_check_and_a_verdict() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["--json", "doctor"]).expect(0);
    let document = serde_json::from_str::<serde_json::Value>(&run.stdout);
    let findings = match document {
        Ok(serde_json::Value::Array(findings)) => findings,
        Ok(object) if object["findings"].is_array() => object["findings"].as_array().unwrap().clone(),
        _ => run.ndjson(),
    };
    assert!(findings.len() >= 6, "{run}");
    for finding in findings {
        assert!(finding["check"].is_string() && finding["verdict"].is_string(), "{run}");
    }
}

#[test]
fn a_key_that_others_can_read_is_found_with_the_command_that_mends_it() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    fs::set_permissions(place.credential_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let run = place.run(&["doctor"]);
    run.says(&["why", "fix", "chmod 600"]);
    run.expect(78);
    fs::set_permissions(place.credential_file(), fs::Permissions::from_mode(0o600)).unwrap();
    place.run(&["doctor"]).expect(0);
}

#[test]
fn a_role_that_no_administrator_granted_is_found() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.edit_config(r#""User.ReadWrite.All""#, r#""User.ReadWrite.All", "Directory.ReadWrite.All""#);
    let run = place.run(&["doctor"]);
    run.says(&["Directory.ReadWrite.All", "why", "fix", "unattended register"]);
    run.expect(77);
}

#[test]
fn a_certificate_that_the_application_does_not_have_is_found() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let stranger = Workplace::new();
    let ready_file = sandbox.ready_file();
    let options = ["--certificate", "new", "--sandbox", ready_file.to_str().unwrap()];
    stranger
        .run(&[&["register", "another", "--role", "graph:User.Read.All"][..], &options].concat())
        .expect(0);
    fs::copy(stranger.credential_file(), place.credential_file()).unwrap();

    let run = place.run(&["doctor"]);
    run.says(&["AADSTS700027", "why", "fix"]);
    run.expect(77);
}

#[test]
fn a_mistake_in_the_configuration_is_the_first_finding() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.append_config("\n[jobs.people]\nprovison = { api = \"graph\" }\n");
    place.run(&["doctor"]).expect(78).says(&["provison", "provision", "^"]);
}

#[test]
fn a_sandbox_that_is_not_there_is_found_and_the_rest_is_examined_all_the_same() {
    let mut sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    sandbox.stop();
    let run = place.run(&["doctor"]);
    run.says(&["configuration", "credential", "authority", "why", "fix"]);
    run.expect(69);
}
