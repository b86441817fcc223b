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

/// One line of the file.
fn configured(place: &Workplace, api: &str, key: &str) -> String {
    format!("{key} = \"{}\"", place.config()["apis"][api][key].as_str().unwrap())
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
    let run = place.run(&["token", "graph"]).expect(77);
    run.says(&["`/usr/bin/false` failed with exit status: 1", "hint: run it by hand"]);
    assert!(!run.to_string().contains("support asks"), "nothing was sent that anybody could know of: {run}");
    place.run(&["doctor"]).says(&["fix           run it by hand"]);
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

// D12; RFC 8705
#[test]
fn a_certificate_is_shown_in_the_handshake_and_the_tokens_bound_to_it_are_taken_with_it_alone() {
    let sandbox = Sandbox::in_memory();
    let (place, line, _) = registered(&sandbox);
    place.edit_config(&line, &format!("{line}\nmutual-tls = true"));
    let bearer = place.run(&["--json", "token", "graph"]).expect(0).json();
    assert!(bearer["bound_to"].is_null(), "{bearer}");
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);

    let base_url = configured(&place, "graph", "base-url");
    place.edit_config(&base_url, &format!("{base_url}\ntoken-binding = \"certificate\""));
    place.run(&["token", "graph"]).expect(0).says(&["bound to", "certificate"]);
    place.run(&["doctor"]).says(&["shown in the TLS handshake", "bound to the certificate"]);
    // The directory at its ordinary name asks for no certificate, so it cannot tell who holds the token.
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(77);
    place.edit_config(&base_url, &base_url.replace("//localhost", "//mtlsauth.localhost"));
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);
    place.run(&["doctor"]).expect(0);

    // A certificate of one's own, which nobody registered.
    openssl(
        &place,
        "req -x509 -newkey rsa:2048 -nodes -keyout other.pem -out other.crt -subj /CN=other -days 2",
    );
    let other = [fs::read(place.path("other.pem")), fs::read(place.path("other.crt"))];
    fs::write(place.path("other.pem"), other.map(Result::unwrap).concat()).unwrap();
    private(&place, "other.pem");
    place.edit_config(&line, "certificate = \"file:other.pem\"");
    place.run(&["token", "graph"]).expect(77).says(&["AADSTS"]);
}

// Case 43 of the peers' suites
#[test]
fn an_application_that_handles_claims_challenges_gets_tokens_for_a_day() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let lives = || place.run(&["--json", "token", "graph"]).expect(0).json()["expires_in"].as_u64().unwrap();
    assert!(lives() < 2 * 3_600);
    place.edit_config("[application]", "[application]\ncapabilities = [\"cp1\"]");
    assert!(lives() > 19 * 3_600);
}

// 48 (identity, section 3.3)
#[test]
fn a_revoked_token_costs_an_application_that_handles_claims_challenges_no_failed_call() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    openssl(&place, "rand -base64 -out token-store.key 32");
    private(&place, "token-store.key");
    place.edit_config("[application]", "[application]\ncapabilities = [\"cp1\"]");
    place.append_config(
        "\n[application.token-store]\ndirectory = \"tokens\"\nkeys = [\"file:token-store.key\"]\n",
    );
    let token = || place.run(&["token", "graph", "--raw"]).expect(0).stdout;
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);
    let kept = place.run(&["--json", "token", "graph"]).expect(0).json();
    assert_eq!(kept["source"], "store", "a process that ends leaves its token to the next: {kept}");
    let first = token();
    let ready_file = sandbox.ready_file();
    let control = |arguments: &[&str]| {
        let named = ["--sandbox", ready_file.to_str().unwrap()];
        place.run(&[&["sandbox"], arguments, &named].concat()).expect(0)
    };
    // A token of the same second is not from before the revocation.
    control(&["set", "clock-offset=+2s"]);
    control(&["revoke", &place.client_id()]).says(&["revoked the tokens of 1 service principal"]);
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);
    assert_ne!(token(), first, "the new one takes the place of the one that was refused");
}

#[cfg(feature = "pkcs11")]
mod softhsm {
    use super::*;
    use crate::support::Run;

    const PIN: &str = "834712";

    fn run(place: &Workplace, arguments: &[&str]) -> Run {
        let mut command = place.command(arguments);
        let output = command.env("SOFTHSM2_CONF", place.path("softhsm2.conf")).output().unwrap();
        let run = Run::new(arguments, output);
        assert!(!run.to_string().contains(PIN), "{run}");
        run
    }

    #[test]
    fn a_key_in_a_hardware_module_signs_and_stays_there() {
        let sandbox = Sandbox::in_memory();
        let (place, line, file) = registered(&sandbox);
        openssl(&place, &format!("pkcs8 -topk8 -nocrypt -in {file} -out key.pem"));
        openssl(&place, &format!("x509 -in {file} -out certificate.crt"));
        fs::create_dir(place.path("tokens")).unwrap();
        let tokens = format!("directories.tokendir = {}\n", place.path("tokens").display());
        fs::write(place.path("softhsm2.conf"), tokens).unwrap();
        for arguments in [
            format!("--init-token --free --label nightly --so-pin 5678 --pin {PIN}"),
            format!("--import key.pem --token nightly --label app --id 01 --pin {PIN}"),
        ] {
            let mut command = Command::new("softhsm2-util");
            command.args(arguments.split(' ')).env("SOFTHSM2_CONF", place.path("softhsm2.conf"));
            let output =
                command.current_dir(place.directory()).output().expect("SoftHSM is installed (softhsm2)");
            assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        }
        for name in [file.as_str(), "key.pem"] {
            fs::remove_file(place.path(name)).unwrap();
        }
        fs::write(place.path("pin"), format!("{PIN}\n")).unwrap();
        ["pin", "certificate.crt"].iter().for_each(|name| private(&place, name));
        place.edit_config(
            &line,
            r#"certificate = "file:certificate.crt"
pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }"#,
        );
        run(&place, &["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
        run(&place, &["doctor"])
            .expect(0)
            .says(&["its key in a PKCS#11 module", "pin: the credential has mode 0600"]);
        run(&place, &["call", "graph", "GET", "/users?$top=1"]).expect(0);

        place.edit_config("key = \"app\"", "key = \"map\"");
        run(&place, &["token", "graph"]).expect(77).says(&["the token has no private key `map`"]);
        place.edit_config("key = \"map\"", "key = \"app\"");
        fs::write(place.path("pin"), "000000\n").unwrap();
        run(&place, &["token", "graph"]).expect(77).says(&["PIN"]);
        place.edit_config("libsofthsm2.so", "libsofthsm3.so");
        run(&place, &["doctor"]).says(&[
            "the PKCS#11 module /usr/lib/softhsm/libsofthsm3.so cannot be found",
            "correct `module`",
        ]);
        run(&place, &["token", "graph"]).expect(77).says(&["cannot open shared object file"]);
    }
}
