//! Microsoft's clients for JavaScript, unmodified, against the sandbox.

use super::super::tenant::{Tenant, each_form_reads_users, worked_on_users};
use super::authority::Outside;
use super::node;

// AC-1
#[test]
fn msal_node_gets_tokens_with_a_secret_and_reads_users() {
    let answers = Tenant::with("secret").tell(&mut node("call_with_msal.mjs"));
    each_form_reads_users(&answers, &["secret"]);
}

// AC-1, AC-2
#[test]
fn msal_node_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    let answers = Tenant::with("certificate").tell(&mut node("call_with_msal.mjs"));
    each_form_reads_users(&answers, &["RS256, x5t", "PS256, x5t#S256", "PS256, x5t#S256, x5c"]);
}

// AC-1
#[test]
fn azure_identity_of_node_gets_tokens_with_a_secret_and_reads_users() {
    let answers = Tenant::with("secret").tell(&mut node("call_with_azure_identity.mjs"));
    each_form_reads_users(&answers, &["secret"]);
}

// AC-1, AC-2
#[test]
fn azure_identity_of_node_gets_tokens_with_a_certificate_in_each_of_its_forms_and_reads_users() {
    let answers = Tenant::with("certificate").tell(&mut node("call_with_azure_identity.mjs"));
    each_form_reads_users(&answers, &["PS256, x5t#S256", "PS256, x5t#S256, x5c"]);
}

#[test]
fn the_graph_client_of_node_works_on_users_pages_batches_and_changes() {
    let found = Tenant::with("secret").tell(&mut node("work_with_graph_client.mjs"));
    worked_on_users(&found[0]);
    assert_eq!(found[0]["batch"]["users"], 3, "{}", found[0]);
}

// UP-1, UP-3
#[test]
fn the_graph_client_of_node_uploads_a_file_in_slices() {
    let tenant = Tenant::with("secret").with_a_user();
    let found = tenant.tell(&mut node("upload_with_graph_client.mjs")).remove(0);
    assert_eq!((&found["same"], &found["digest"]), (&true.into(), &true.into()), "{found}");
    assert_eq!(found["ended"], 404, "{found}");
}

// authority 7.3
#[test]
fn msal_node_gets_tokens_with_a_certificate_that_only_its_subject_and_issuer_are_trusted_of() {
    let answers = Tenant::with_subject_name().tell(&mut node("call_with_msal.mjs"));
    each_form_reads_users(&answers, &["PS256, x5t#S256, x5c"]);
}

// AC-4
#[test]
fn msal_node_gets_tokens_with_the_token_of_a_certified_server_outside() {
    let outside = Outside::start();
    let answers = Tenant::federated(&outside).tell(&mut node("call_with_msal.mjs"));
    each_form_reads_users(&answers, &["clientAssertion"]);
}

// authority 7.3
#[test]
fn azure_identity_of_node_gets_tokens_with_a_certificate_that_only_its_subject_and_issuer_are_trusted_of() {
    let answers = Tenant::with_subject_name().tell(&mut node("call_with_azure_identity.mjs"));
    each_form_reads_users(&answers, &["PS256, x5t#S256, x5c"]);
}

// AC-4
#[test]
fn azure_identity_of_node_gets_tokens_with_the_token_of_a_certified_server_outside() {
    let outside = Outside::start();
    let answers = Tenant::federated(&outside).tell(&mut node("call_with_azure_identity.mjs"));
    each_form_reads_users(&answers, &["ClientAssertionCredential", "WorkloadIdentityCredential"]);
}
