//! `unattended register`: an application, its permissions, its credential, an administrator's consent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Sandbox, Workplace, mode};

#[test]
fn a_new_certificate_is_private_and_acquires_a_token() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    assert_eq!(mode(&place.credential_file()), 0o600);
    let credential = fs::read_to_string(place.credential_file()).unwrap();
    assert!(credential.contains("PRIVATE KEY-----") && credential.contains("BEGIN CERTIFICATE"));

    place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All", &place.client_id()]);
}

#[test]
fn a_new_secret_is_private_never_printed_and_acquires_a_token() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    let run = place.register(&sandbox, &["--secret", "new", "--grant-admin-consent"]).expect(0);
    assert_eq!(mode(&place.credential_file()), 0o600);
    let secret = fs::read_to_string(place.credential_file()).unwrap();
    assert!(secret.trim().len() >= 16 && !run.to_string().contains(secret.trim()));

    place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
}

#[test]
fn a_certificate_that_was_there_before_is_registered_as_it_is() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate =
        rcgen::CertificateParams::new(["people-sync".to_owned()]).unwrap().self_signed(&key).unwrap();
    let file = place.path("own.pem");
    fs::write(&file, key.serialize_pem() + &certificate.pem()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    place.register(&sandbox, &["--certificate", "own.pem", "--grant-admin-consent"]).expect(0);
    assert_eq!(place.credential_file(), file);
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);
}

#[test]
fn registering_again_finds_the_application_by_its_name_and_keeps_what_is_there() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let before =
        (fs::read(place.path("unattended.toml")).unwrap(), fs::read(place.credential_file()).unwrap());

    place.register(&sandbox, &["--certificate", "new", "--grant-admin-consent"]).expect(0);
    let after =
        (fs::read(place.path("unattended.toml")).unwrap(), fs::read(place.credential_file()).unwrap());
    assert!(before == after, "the configuration or the credential was changed");
    place.run(&["token", "graph"]).expect(0);
}

#[test]
fn without_an_administrators_consent_the_api_refuses_and_says_whom_to_ask() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    place.register(&sandbox, &["--certificate", "new"]).expect(0);
    place.run(&["call", "graph", "GET", "/users"]).expect(77).says(&["hint:", "unattended doctor"]);
    place.run(&["doctor"]).expect(77).says(&["User.ReadWrite.All", "consent"]);

    place.register(&sandbox, &["--certificate", "new", "--grant-admin-consent"]).expect(0);
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
}

#[test]
fn a_role_that_the_api_does_not_have_is_named() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    let ready_file = sandbox.ready_file();
    let options = ["--certificate", "new", "--sandbox", ready_file.to_str().unwrap()];
    let run =
        place.run(&[&["register", "people-sync", "--role", "graph:User.Reed.All"][..], &options].concat());
    run.says(&["error:", "User.Reed.All", "hint:"]);
    run.expect(1);
    assert!(!place.path("unattended.toml").exists());
}
