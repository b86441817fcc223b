//! Every form of the application's credential that needs nobody else, against the sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Sandbox, Workplace};

/// Runs `openssl` in the folder.
fn openssl(place: &Workplace, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split(' ')).current_dir(place.directory()).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn private(place: &Workplace, name: &str) {
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A registered daemon, the line of its configuration with the certificate, and the name of that file.
fn registered(sandbox: &Sandbox) -> (Workplace, String, String) {
    let place = Workplace::registered(sandbox);
    let file = place.credential_file().file_name().unwrap().to_str().unwrap().to_owned();
    fs::write(place.path("password"), "open sesame\n").unwrap();
    private(&place, "password");
    (place, format!("certificate = \"file:{file}\""), file)
}

#[test]
fn a_pfx_file_and_an_encrypted_key_open_with_their_password_and_no_other() {
    let sandbox = Sandbox::in_memory();
    let (place, line, file) = registered(&sandbox);
    openssl(&place, &format!("pkcs12 -export -legacy -in {file} -out app.pfx -passout file:password"));
    openssl(&place, &format!("pkcs8 -topk8 -in {file} -out encrypted.pem -passout file:password"));
    openssl(&place, &format!("x509 -in {file} -out certificate.crt"));
    let encrypted = [fs::read(place.path("encrypted.pem")), fs::read(place.path("certificate.crt"))];
    fs::write(place.path("encrypted.pem"), encrypted.map(Result::unwrap).concat()).unwrap();
    let mut line = line;
    for name in ["app.pfx", "encrypted.pem"] {
        private(&place, name);
        let next = format!("certificate = \"file:{name}\"\npassword = \"file:password\"");
        place.edit_config(&line, &next);
        place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
        line = next;
    }
    fs::write(place.path("password"), "open sesami").unwrap();
    let run = place.run(&["token", "graph"]).expect(78);
    run.says(&["the password is wrong", "`password` of this credential"]);
    assert!(!run.to_string().contains("sesam"), "{run}");
    place.run(&["doctor"]).says(&["the password is wrong"]);
}

#[test]
fn a_program_signs_with_a_key_that_the_daemon_never_sees() {
    let sandbox = Sandbox::in_memory();
    let (place, line, file) = registered(&sandbox);
    openssl(&place, &format!("x509 -in {file} -out certificate.crt"));
    private(&place, "certificate.crt");
    let signer = format!(
        r#"["/usr/bin/openssl", "pkeyutl", "-sign", "-inkey", "{file}", "-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]"#
    );
    place.edit_config(&line, &format!("certificate = \"file:certificate.crt\"\nsigner-command = {signer}"));
    place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
    place.edit_config(
        r#""-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest""#,
        r#""-pkeyopt", "rsa_padding_mode:pkcs1""#,
    );
    place.run(&["token", "graph"]).expect(77).says(&["does not fit the certificate", "PS256"]);
    place.edit_config("/usr/bin/openssl", "/usr/bin/false");
    place.run(&["token", "graph"]).expect(77).says(&["`/usr/bin/false` failed with exit status: 1"]);
}

#[test]
fn a_secret_takes_over_while_the_certificate_is_away() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    place.register(&sandbox, &["--secret", "new", "--grant-admin-consent"]).expect(0);
    place.edit_config(
        "[[application.credentials]]",
        "[[application.credentials]]\ncertificate = \"file:gone.pem\"\n\n[[application.credentials]]\nworkload-identity = true\n\n[[application.credentials]]",
    );
    let run = place.run(&["token", "graph"]).expect(0);
    run.says(&["User.ReadWrite.All", "a credential cannot be used yet", "AZURE_FEDERATED_TOKEN_FILE"]);
}
