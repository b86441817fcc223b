//! Microsoft's clients for Python, unmodified, against the sandbox.

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

#[test]
fn msgraph_works_on_users_pages_batches_and_changes() {
    let found = Tenant::with("secret").tell(&mut python("work_with_msgraph.py"));
    worked_on_users(&found[0]);
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
