use crate::{report, with, without};

#[test]
fn an_inline_secret_is_refused_and_not_shown() {
    let text = with(r#"certificate = "file:app.pem""#, r#"secret = "hunter2~Q""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `secret` holds a value and not a reference
     --> unattended.toml:6:10
      |
    6 | secret = ***********
      |          ^^^^^^^^^^^
      |
      = note: configurations are copied, compared and committed, and what stands in them is no secret for long
      = help: move the value to a file that only the daemon can read (`install -m 600 /dev/null client-secret`, then edit it) and write `secret = "file:client-secret"`; `env:NAME` and `systemd:NAME` work too
    "#);
}

#[test]
fn an_inline_private_key_is_refused_and_not_shown() {
    let text = with(
        r#"certificate = "file:app.pem""#,
        r#"certificate = """
-----BEGIN PRIVATE KEY-----
MIIhunter2
-----END PRIVATE KEY-----
""""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `certificate` holds a value and not a reference
      --> unattended.toml:6:15
       |
     6 |   certificate = ***
       |  _______________^
     7 | | ***************************
     8 | | **********
     9 | | *************************
    10 | | ***
       | |___^
       |
       = note: configurations are copied, compared and committed, and what stands in them is no secret for long
       = help: move the value to a file that only the daemon can read (`install -m 600 /dev/null app.pem`, then edit it) and write `certificate = "file:app.pem"`; `env:NAME` and `systemd:NAME` work too
    "#);
}

#[test]
fn a_certificate_path_without_its_scheme_is_completed() {
    let text = with(r#"certificate = "file:app.pem""#, r#"certificate = "/etc/unattended/app.pem""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `certificate` does not say where it is kept
     --> unattended.toml:6:15
      |
    6 | certificate = "/etc/unattended/app.pem"
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: a reference begins with `file:`, `env:` or `systemd:`
      = help: write `certificate = "file:/etc/unattended/app.pem"`
    "#);
}

#[test]
fn a_reference_this_version_cannot_read_is_refused() {
    let text = with(r#"certificate = "file:app.pem""#, r#"secret = "keyvault:app/secret""#);
    insta::assert_snapshot!(report(&text), @r"
    error: `secret` is kept where this version cannot read it
     --> unattended.toml:6:10
      |
    6 | secret = *********************
      |          ^^^^^^^^^^^^^^^^^^^^^
      |
      = note: references are `file:PATH`, `env:NAME` and `systemd:NAME`
      = help: fetch it into a file with mode 600 before the start, and write `file:PATH`
    ");
}

#[test]
fn an_empty_reference_is_refused() {
    let text = with(r#"certificate = "file:app.pem""#, r#"certificate = "env:""#);
    insta::assert_snapshot!(report(&text), @r"
    error: `certificate` is an empty reference
     --> unattended.toml:6:15
      |
    6 | certificate = ******
      |               ^^^^^^
      |
      = note: nothing follows the colon
      = help: name a file, a variable or a systemd credential, such as `file:app.pem`
    ");
}

#[test]
fn a_systemd_credential_is_a_name() {
    let text = with(r#"certificate = "file:app.pem""#, r#"certificate = "systemd:../app.pem""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `certificate` names no systemd credential
     --> unattended.toml:6:15
      |
    6 | certificate = "systemd:../app.pem"
      |               ^^^^^^^^^^^^^^^^^^^^
      |
      = note: a credential of a unit is a plain name below $CREDENTIALS_DIRECTORY and not a path
      = help: write the name given to LoadCredential=, or use `file:PATH`
    "#);
}

#[test]
fn a_credential_is_one_thing() {
    let text = with(
        r#"certificate = "file:app.pem""#,
        r#"certificate = "file:app.pem"
secret = "env:SECRET""#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: one credential is both `certificate` and `secret`
     --> unattended.toml:7:1
      |
    7 | secret = "env:SECRET"
      | ^^^^^^
      |
      = note: credentials are tried one after the other, in the order of their tables
      = help: give the second one a table of its own: [[application.credentials]]
    "#);
}

#[test]
fn a_credential_is_something() {
    let text = without(r#"certificate = "file:app.pem""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: a credential does not say what it is
     --> unattended.toml:5:1
      |
    5 | [[application.credentials]]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: exactly one of `certificate`, `secret`, `assertion-file`, `assertion-command`, `assertion-url`, `github-actions`, `azure-pipelines`, `managed-identity` and `workload-identity` is expected here
      = help: add `certificate = "file:app.pem"` or `secret = "file:client-secret"`
    "#);
}

#[test]
fn an_application_has_a_credential() {
    let text = without(
        r#"[[application.credentials]]
certificate = "file:app.pem"
"#,
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: the application has no credential
     --> unattended.toml:1:2
      |
    1 | [application]
      |  ^^^^^^^^^^^
      |
      = note: without one it cannot prove who it is
      = help: add [[application.credentials]] with `certificate = "file:app.pem"`
    "#);
}

#[test]
fn credentials_are_a_list_of_tables() {
    let text = with("[[application.credentials]]", "[application.credentials]");
    insta::assert_snapshot!(report(&text), @r"
    error: `credentials` in [application] has the wrong type
     --> unattended.toml:5:1
      |
    5 | [application.credentials]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: it is a table
      = help: write a list of tables, each begun by [[application.credentials]]
    ");
}

#[test]
fn an_inline_password_is_refused_and_not_shown() {
    let text =
        with(r#"certificate = "file:app.pem""#, "certificate = \"file:app.pfx\"\npassword = \"hunter2\"");
    insta::assert_snapshot!(report(&text), @r#"
    error: `password` holds a value and not a reference
     --> unattended.toml:7:12
      |
    7 | password = *********
      |            ^^^^^^^^^
      |
      = note: configurations are copied, compared and committed, and what stands in them is no secret for long
      = help: move the value to a file that only the daemon can read (`install -m 600 /dev/null password`, then edit it) and write `password = "file:password"`; `env:NAME` and `systemd:NAME` work too
    "#);
}

#[test]
fn an_algorithm_is_one_that_the_keys_can_sign_with() {
    let text =
        with(r#"certificate = "file:app.pem""#, "certificate = \"file:app.pem\"\nalgorithm = \"HS256\"");
    insta::assert_snapshot!(report(&text), @r#"
    error: `algorithm` has no such value
     --> unattended.toml:7:13
      |
    7 | algorithm = "HS256"
      |             ^^^^^^^
      |
      = note: an RSA key signs with PS256 or RS256, and a P-256 key with ES256
      = help: remove the line: PS256 and ES256 are what the keys sign with by themselves
    "#);
}

#[test]
fn what_belongs_to_a_certificate_does_not_go_with_a_secret() {
    let text = with(r#"certificate = "file:app.pem""#, "secret = \"file:client-secret\"\nsend-chain = true");
    insta::assert_snapshot!(report(&text), @r"
    error: `send-chain` does not go with `secret`
     --> unattended.toml:7:1
      |
    7 | send-chain = true
      | ^^^^^^^^^^
      |
      = note: a credential with `secret` has no other key
      = help: remove `send-chain`
    ");
}

const CERTIFICATE: &str = r#"certificate = "file:app.pem""#;

#[test]
fn an_assertion_is_not_fetched_where_others_read_along() {
    let text = with(CERTIFICATE, r#"assertion-url = "http://issuer.example/token?key=hunter2""#);
    insta::assert_snapshot!(report(&text), @r"
    error: `assertion-url` is not https
     --> unattended.toml:6:17
      |
    6 | assertion-url = *****************************************
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: who reads an assertion on the way can act as the application; http is for this machine alone
      = help: write an https URL without a user name in it
    ");
}

#[test]
fn a_command_is_a_program_and_its_arguments() {
    let text = with(CERTIFICATE, "assertion-command = []");
    insta::assert_snapshot!(report(&text), @r#"
    error: `assertion-command` names no program
     --> unattended.toml:6:1
      |
    6 | assertion-command = []
      | ^^^^^^^^^^^^^^^^^
      |
      = note: no shell stands between: the program and each argument are strings of their own
      = help: write `assertion-command = ["/usr/local/bin/program", "argument"]`
    "#);
    let text = with(CERTIFICATE, r#"assertion-command = "vault read token""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `assertion-command` in [[application.credentials]] has the wrong type
     --> unattended.toml:6:21
      |
    6 | assertion-command = "vault read token"
      |                     ^^^^^^^^^^^^^^^^^^
      |
      = note: it is a string
      = help: write a list of strings such as ["a", "b"]
    "#);
}

#[test]
fn a_managed_identity_is_named_in_one_of_four_ways() {
    let text = with(CERTIFICATE, r#"managed-identity = "5a0e2f3c-1111-4222-8333-444455556666""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `managed-identity` names no identity
     --> unattended.toml:6:20
      |
    6 | managed-identity = "5a0e2f3c-1111-4222-8333-444455556666"
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: a machine has one of its own (`system`), and others that were assigned to it
      = help: write `system`, or `client-id:GUID`, `object-id:GUID` or `resource-id:/subscriptions/...`
    "#);
}

#[test]
fn a_managed_identity_is_named_by_what_can_be_its_name() {
    for (id, shape) in [
        ("client-id:reports", "a GUID"),
        ("object-id:5a0e2f3c", "a GUID"),
        ("resource-id:reports", "a path such as `/subscriptions/...`"),
    ] {
        let report = report(&with(CERTIFICATE, &format!("managed-identity = \"{id}\"")));
        assert!(report.contains(&format!("names no identity by what is not {shape}")), "{report}");
    }
}

#[test]
fn the_names_of_other_tools_for_a_credential_are_translated_and_told_once() {
    for (given, meant) in [
        ("client-secret", "secret"),
        ("certificate-path", "certificate"),
        ("federated-token-file", "assertion-file"),
    ] {
        let report = report(&with(CERTIFICATE, &format!("{given} = \"file:hunter2\"")));
        assert!(report.contains(&format!("= help: write `{meant}` instead of `{given}`")), "{report}");
        assert!(!report.contains("does not say what it is"), "{report}");
    }
}

// S6: a sample was shipped with such a key, which was ignored, so that another identity was used
#[test]
fn a_key_with_a_space_too_many_is_not_passed_over() {
    let report = report(&with(CERTIFICATE, r#""managed-identity " = "system""#));
    assert!(report.contains("unknown key"), "{report}");
    assert!(report.contains("write `managed-identity` instead of"), "{report}");
}

#[test]
fn a_workload_identity_is_there_or_not() {
    let text = with(CERTIFICATE, "workload-identity = false");
    insta::assert_snapshot!(report(&text), @r"
    error: `workload-identity` is switched off
     --> unattended.toml:6:1
      |
    6 | workload-identity = false
      | ^^^^^^^^^^^^^^^^^
      |
      = note: a credential that is none has no table
      = help: write `true`, or remove the table
    ");
}

#[test]
fn a_key_that_is_elsewhere_has_no_password_here() {
    let text = with(
        CERTIFICATE,
        "certificate = \"file:app.pem\"\npassword = \"file:password\"\nsigner-command = [\"sign\"]",
    );
    insta::assert_snapshot!(report(&text), @r#"
    error: `password` stands beside `signer-command`
     --> unattended.toml:7:1
      |
    7 | password = "file:password"
      | ^^^^^^^^
      |
      = note: the private key is elsewhere, and the file holds the certificate alone
      = help: remove `password`
    "#);
}

#[test]
fn an_empty_audience_or_connection_is_found() {
    let text = with(CERTIFICATE, r#"github-actions = """#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `github-actions` is empty
     --> unattended.toml:6:18
      |
    6 | github-actions = ""
      |                  ^^
      |
      = note: it is sent with the request
      = help: write the audience, such as `api://AzureADTokenExchange`
    "#);
    let text = with(CERTIFICATE, r#"azure-pipelines = " ""#);
    insta::assert_snapshot!(report(&text), @r#"
    error: `azure-pipelines` is empty
     --> unattended.toml:6:19
      |
    6 | azure-pipelines = " "
      |                   ^^^
      |
      = note: it is sent with the request
      = help: write the id of the service connection
    "#);
}

#[test]
fn every_kind_of_credential_is_read() {
    for (lines, shown, references) in [
        ("certificate = \"file:app.pfx\"\npassword = \"env:P\"\nsend-chain = true", "file:/srv/app.pfx", 2),
        ("certificate = \"file:app.crt\"\nsigner-command = [\"sign\", \"it\"]", "file:/srv/app.crt", 1),
        ("certificate = \"file:app.pem\"\nmutual-tls = true", "file:/srv/app.pem", 1),
        ("secret = \"env:S\"", "env:S", 1),
        ("assertion-file = \"token\"", "assertion-file /srv/token", 0),
        ("assertion-command = [\"vault\", \"read\"]", "assertion-command vault", 0),
        (
            "assertion-url = \"https://issuer.example/token?key=hunter2\"\nbearer = \"env:B\"\njson-member = \"jwt\"",
            "assertion-url https://issuer.example/token?key=[redacted]",
            1,
        ),
        ("assertion-url = \"http://127.0.0.1:8080/token\"", "assertion-url http://127.0.0.1:8080/token", 0),
        ("github-actions = \"api://AzureADTokenExchange\"", "github-actions", 0),
        ("azure-pipelines = \"c0ffee\"", "azure-pipelines", 0),
        ("managed-identity = \"system\"", "managed-identity system", 0),
        (
            "managed-identity = \"client-id:5a0e2f3c-1111-4222-8333-444455556666\"\naudience = \"api://x\"",
            "managed-identity client-id:5a0e2f3c-1111-4222-8333-444455556666",
            0,
        ),
        ("workload-identity = true", "workload-identity", 0),
    ] {
        let text = with(CERTIFICATE, lines);
        let path = std::path::Path::new("/srv/unattended.toml");
        let config =
            unattended_daemon::Config::parse(path, &text, &unattended_daemon::MapEnvironment::default());
        let config = config.unwrap_or_else(|error| panic!("{lines}: {}", error.render(false)));
        let credential = &config.application.credentials[0];
        assert_eq!((credential.to_string().as_str(), credential.references().len()), (shown, references));
        assert!(lines.starts_with(credential.kind()));
    }
}
