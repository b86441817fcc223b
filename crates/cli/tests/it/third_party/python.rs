//! MSAL Python and azure-identity, unmodified, against the sandbox.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{documents, installed, program};
use crate::support::{Sandbox, Workplace};

#[test]
fn msal_gets_tokens_with_a_secret_and_reads_users() {
    reads_users("python/call_with_msal.py", "secret", 1);
}

#[test]
fn msal_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    reads_users("python/call_with_msal.py", "certificate", 2);
}

#[test]
fn azure_identity_gets_tokens_with_a_secret_and_reads_users() {
    reads_users("python/call_with_azure_identity.py", "secret", 1);
}

#[test]
fn azure_identity_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    reads_users("python/call_with_azure_identity.py", "certificate", 2);
}

/// Registers an application and lets the program be it, with each form of the credential that it knows.
fn reads_users(script: &str, credential: &str, forms: usize) {
    let interpreter = installed("venv/bin/python");
    let sandbox = Sandbox::with_users(12);
    let place = Workplace::new();
    place.register(&sandbox, &[&format!("--{credential}"), "new", "--grant-admin-consent"]).expect(0);

    let settings = place.path("settings.json");
    let content = json!({
        "authority": sandbox.ready("authority"),
        "tenant": sandbox.ready("tenant_id"),
        "graph": sandbox.ready("graph"),
        "graph_resource": sandbox.ready("graph_resource"),
        "client_id": place.client_id(),
        format!("{credential}_file"): place.credential_file(),
    });
    fs::write(&settings, content.to_string()).unwrap();

    let output = Command::new(interpreter)
        .arg(program(script))
        .arg(settings)
        .env("REQUESTS_CA_BUNDLE", sandbox.ready("ca_file"))
        .env("NO_PROXY", "localhost")
        .output()
        .unwrap();
    let answers = documents(&output);
    assert_eq!(answers.len(), forms);
    for answer in answers {
        assert_eq!(answer["second"], "cache", "{answer}");
        assert_eq!(answer["users"].as_array().unwrap().len(), 5, "{answer}");
    }
}
