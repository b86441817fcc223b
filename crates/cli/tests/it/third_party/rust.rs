//! azure_identity for Rust, unmodified, against the sandbox.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::installed;
use super::node::Outside;
use super::tenant::{Tenant, each_form_reads_users};

// AC-1
#[test]
fn azure_identity_of_rust_gets_tokens_with_a_secret_and_reads_users() {
    let answers = Tenant::with("secret").tell(&mut program());
    each_form_reads_users(&answers, &["secret"]);
}

// AC-1, AC-2
#[test]
fn azure_identity_of_rust_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    let mut tenant = Tenant::with("certificate");
    let pkcs12 = as_pkcs12(&tenant, &tenant.place.credential_file());
    tenant.set("pkcs12_file", json!(pkcs12));
    each_form_reads_users(&tenant.tell(&mut program()), &["RS256, x5t"]);
    let chain = tenant.tell(program().env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "1"));
    each_form_reads_users(&chain, &["RS256, x5t, x5c"]);
}

// authority 7.3
#[test]
fn azure_identity_of_rust_gets_tokens_with_a_certificate_that_only_its_subject_and_issuer_are_trusted_of() {
    let mut tenant = Tenant::with_subject_name();
    let pkcs12 = as_pkcs12(&tenant, &tenant.place.path("issued.pem"));
    tenant.set("pkcs12_file", json!(pkcs12));
    let answers = tenant.tell(program().env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "1"));
    each_form_reads_users(&answers, &["RS256, x5t, x5c"]);
}

// AC-4
#[test]
fn azure_identity_of_rust_gets_tokens_with_the_token_of_a_certified_server_outside() {
    let outside = Outside::start();
    let answers = Tenant::federated(&outside).tell(&mut program());
    each_form_reads_users(&answers, &["ClientAssertionCredential", "WorkloadIdentityCredential"]);
}

/// The form in which alone it takes a certificate.
fn as_pkcs12(tenant: &Tenant, pem: &Path) -> PathBuf {
    let pkcs12 = tenant.place.path("certificate.p12");
    let converted = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:", "-in"])
        .arg(pem)
        .arg("-out")
        .arg(&pkcs12)
        .output()
        .unwrap();
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    pkcs12
}

fn program() -> Command {
    Command::new(installed("rust/debug/unattended-third-party"))
}

// directory 11
#[test]
fn azure_keyvault_of_rust_keeps_and_reads_a_secret_with_tokens_of_ours() {
    let mut tenant = Tenant::with("secret");
    let ready = tenant.sandbox.ready_file();
    let client_id = tenant.place.client_id();
    let grant = ["sandbox", "vault", "grant", &client_id, "secrets-officer", "--sandbox"];
    let arguments: Vec<&str> = grant.into_iter().chain(ready.to_str()).collect();
    tenant.place.run(&arguments).expect(0);
    tenant.set("vault", tenant.sandbox.ready("vault").into());
    let answers = tenant.tell(&mut Command::new(installed("rust/debug/keep_a_secret")));
    assert_eq!(answers, [json!({ "read": "kept by rust", "tokens": 1 })]);
}
