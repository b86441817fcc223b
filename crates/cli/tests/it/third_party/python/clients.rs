//! Microsoft's clients for Python, unmodified, against the sandbox.

use std::process::Command;

use serde_json::{Value, json};

use super::super::documents;
use super::super::node::Outside;
use super::super::tenant::{Tenant, each_form_reads_users, worked_on_users};
use super::python;

// AC-1
#[test]
fn msal_gets_tokens_with_a_secret_and_reads_users() {
    let answers = Tenant::with("secret").tell(&mut python("call_with_msal.py"));
    each_form_reads_users(&answers, &["secret"]);
}

// AC-1, AC-2
#[test]
fn msal_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    let answers = Tenant::with("certificate").tell(&mut python("call_with_msal.py"));
    each_form_reads_users(&answers, &["PS256, x5t#S256, x5c", "RS256, x5t"]);
}

// AC-1
#[test]
fn azure_identity_gets_tokens_with_a_secret_and_reads_users() {
    let answers = Tenant::with("secret").tell(&mut python("call_with_azure_identity.py"));
    each_form_reads_users(&answers, &["secret"]);
}

// AC-1, AC-2
#[test]
fn azure_identity_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    let answers = Tenant::with("certificate").tell(&mut python("call_with_azure_identity.py"));
    each_form_reads_users(&answers, &["RS256, x5t", "RS256, x5t, x5c"]);
}

// UP-1, UP-3
#[test]
fn msgraph_works_on_users_pages_batches_changes_roles_and_files() {
    let found = Tenant::with("secret").with_a_user().tell(&mut python("work_with_msgraph.py")).remove(0);
    worked_on_users(&found);
    let assigned = json!({
        "user": [["User", true, true]], "group": [["Group", true, true]], "of_resource": ["Group", "User"], "left": 0,
    });
    assert_eq!(found["assigned"], assigned, "{found}");
    let uploaded = json!({ "whole": true, "refused": 416, "resumed": true, "ended": 404 });
    assert_eq!(found["uploaded"], uploaded, "{found}");
}

// authority 7.3
#[test]
fn msal_gets_tokens_with_a_certificate_that_only_its_subject_and_issuer_are_trusted_of() {
    let answers = Tenant::with_subject_name().tell(&mut python("call_with_msal.py"));
    each_form_reads_users(&answers, &["PS256, x5t#S256, x5c"]);
}

// AC-4
#[test]
fn msal_gets_tokens_with_the_token_of_a_certified_server_outside() {
    let outside = Outside::start();
    let answers = Tenant::federated(&outside).tell(&mut python("call_with_msal.py"));
    each_form_reads_users(&answers, &["client_assertion"]);
}

// authority 7.3
#[test]
fn azure_identity_gets_tokens_with_a_certificate_that_only_its_subject_and_issuer_are_trusted_of() {
    let answers = Tenant::with_subject_name().tell(&mut python("call_with_azure_identity.py"));
    each_form_reads_users(&answers, &["RS256, x5t, x5c"]);
}

// AC-4
#[test]
fn azure_identity_gets_tokens_with_the_token_of_a_certified_server_outside() {
    let outside = Outside::start();
    let answers = Tenant::federated(&outside).tell(&mut python("call_with_azure_identity.py"));
    each_form_reads_users(&answers, &["ClientAssertionCredential", "WorkloadIdentityCredential"]);
}

// runtime S5: the identity of a virtual machine, and that of an App Service; the machine's own, and one of several
#[test]
fn azure_identity_gets_tokens_of_the_machine_s_identities_and_reads_users() {
    let mut tenant = Tenant::with("secret");
    tenant.identity("vm-1", &[]);
    let assigned = tenant.identity("reports", &["--user-assigned"]);
    for host in ["imds", "app-service"] {
        let variables = tenant.control(&["env", "--managed-identity", host]);
        let variables = variables.as_object().unwrap().iter();
        let variables: Vec<_> = variables.map(|(name, value)| (name, value.as_str().unwrap())).collect();
        for (form, client_id) in [("system", Value::Null), ("assigned", assigned["clientId"].clone())] {
            tenant.set("client_id", client_id);
            let answers = tenant.tell(python("call_with_managed_identity.py").envs(variables.clone()));
            each_form_reads_users(&answers, &[form]);
            assert_eq!(answers[0]["refused"], true, "another identity");
        }
    }
}

// AC-1: instance discovery on, at the port where MSAL looks for an authority; in a network namespace of its own, where
// that port is free
#[test]
fn msal_discovers_the_instance_on_port_443_and_gets_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let python = python("discover_with_msal.py");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--", "sh", "-c", r#"ip link set lo up && exec "$@""#, "sh"])
        .arg(python.get_program())
        .args(python.get_args())
        .arg(env!("CARGO_BIN_EXE_unattended"))
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let found = documents(&output).remove(0);
    assert!(found["token_endpoint"].as_str().unwrap().starts_with("https://localhost/"), "{found}");
    let asked: Vec<&str> = found["asked"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let expected = ["/common/discovery/instance", "/.well-known/openid-configuration", "/oauth2/v2.0/token"];
    let is_expected = |(path, end): (&&str, &str)| path.ends_with(end);
    assert!(asked.len() == 3 && asked.iter().zip(expected).all(is_expected), "{found}");
}
