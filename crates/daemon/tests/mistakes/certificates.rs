//! How a certificate is used, and where its private key is.

use std::path::Path;

use unattended_daemon::{Config, MapEnvironment};

use crate::{report, with};

const CERTIFICATE: &str = r#"certificate = "file:app.pem""#;

#[test]
fn a_certificate_that_is_shown_signs_nothing() {
    let text = with(CERTIFICATE, "certificate = \"file:app.pem\"\nmutual-tls = true\nalgorithm = \"RS256\"");
    insta::assert_snapshot!(report(&text), @r#"
    error: `algorithm` stands beside `mutual-tls`
     --> unattended.toml:8:1
      |
    8 | algorithm = "RS256"
      | ^^^^^^^^^
      |
      = note: a certificate that is shown in the TLS handshake signs no assertion
      = help: remove `algorithm`
    "#);
    for (line, stands_beside) in [
        ("send-chain = true", "`send-chain` stands beside `mutual-tls`"),
        ("signer-command = [\"sign\"]", "`signer-command` stands beside `mutual-tls`"),
    ] {
        let text = with(CERTIFICATE, &format!("certificate = \"file:app.pem\"\nmutual-tls = true\n{line}"));
        assert!(report(&text).contains(stands_beside), "{line}");
        // It may be switched off without being taken away.
        let text = text.replace("mutual-tls = true", "mutual-tls = false");
        let path = Path::new("unattended.toml");
        Config::parse(path, &text, &MapEnvironment::default()).unwrap();
    }
}

#[test]
fn a_farm_of_ad_fs_takes_no_certificate_from_the_handshake() {
    let text = with(CERTIFICATE, "certificate = \"file:app.pem\"\nmutual-tls = true")
        .replace("tenant = \"contoso.onmicrosoft.com\"", "authority = \"https://adfs.contoso.com/adfs\"");
    insta::assert_snapshot!(report(&text), @r#"
    error: `mutual-tls` is not for AD FS
     --> unattended.toml:7:1
      |
    7 | mutual-tls = true
      | ^^^^^^^^^^
      |
      = note: a farm takes a certificate that signs an assertion
      = help: remove `mutual-tls`
    "#);
}

const IN_A_MODULE: &str = r#"certificate = "file:app.crt"
pkcs11 = { module = "libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }"#;

#[cfg(not(feature = "pkcs11"))]
#[test]
fn a_build_without_pkcs11_says_what_to_do_instead() {
    insta::assert_snapshot!(report(&with(CERTIFICATE, IN_A_MODULE)), @r#"
    error: `pkcs11` is not in this build
     --> unattended.toml:7:1
      |
    7 | pkcs11 = { module = "libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }
      | ^^^^^^
      |
      = note: a program that is linked statically cannot load the module of a token
      = help: let a program sign: `signer-command = [...]`, or build with `cargo build --features pkcs11`
    "#);
}

#[cfg(feature = "pkcs11")]
mod in_a_module {
    use unattended_daemon::config::{Credential, Signer};

    use super::*;

    #[test]
    fn a_key_in_a_module_is_read() {
        let path = Path::new("/srv/unattended.toml");
        let text = with(CERTIFICATE, IN_A_MODULE);
        let environment = MapEnvironment::default();
        let config = Config::parse(path, &text, &environment).unwrap();
        let credential = &config.application.credentials[0];
        let references: Vec<String> = credential.references().iter().map(ToString::to_string).collect();
        assert_eq!(references, ["file:/srv/app.crt", "file:/srv/pin"]);
        let Credential::Certificate(certificate) = credential else { panic!("{credential}") };
        let Some(Signer::Module(module)) = &certificate.signer else { panic!("{certificate:?}") };
        assert_eq!(module.module, Path::new("/srv/libsofthsm2.so"));
        assert_eq!((module.token.as_str(), module.key.as_str()), ("nightly", "app"));
    }

    #[test]
    fn a_key_in_a_module_is_found_by_four_words() {
        let text = with(
            CERTIFICATE,
            "certificate = \"file:app.crt\"\npkcs11 = { module = \"\", pin = \"hunter2\", slot = 1 }",
        );
        insta::assert_snapshot!(report(&text), @r#"
        error: `token` is missing in `pkcs11` of the credential
         --> unattended.toml:7:1
          |
        7 | pkcs11 = { module = "", pin = *********, slot = 1 }
          | ^^^^^^
          |
          = note: a module may have several tokens, told apart by their labels
          = help: add `pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }`

        error: `key` is missing in `pkcs11` of the credential
         --> unattended.toml:7:1
          |
        7 | pkcs11 = { module = "", pin = *********, slot = 1 }
          | ^^^^^^
          |
          = note: a token may have several private keys, told apart by their labels
          = help: add `pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }`

        error: `module` is empty
         --> unattended.toml:7:21
          |
        7 | pkcs11 = { module = "", pin = *********, slot = 1 }
          |                     ^^
          |
          = note: it is the path of the shared library that speaks to the token
          = help: write `pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }`

        error: `pin` holds a value and not a reference
         --> unattended.toml:7:31
          |
        7 | pkcs11 = { module = "", pin = *********, slot = 1 }
          |                               ^^^^^^^^^
          |
          = note: configurations are copied, compared and committed, and what stands in them is no secret for long
          = help: move the value to a file that only the daemon can read (`install -m 600 /dev/null pin`, then edit it) and write `pin = "file:pin"`; `env:NAME` and `systemd:NAME` work too

        error: unknown key `slot` in `pkcs11` of the credential
         --> unattended.toml:7:42
          |
        7 | pkcs11 = { module = "", pin = *********, slot = 1 }
          |                                          ^^^^
          |
          = note: `pkcs11` of the credential knows `module`, `token`, `key` and `pin`
          = help: remove `slot`
        "#);
        let text = with(CERTIFICATE, IN_A_MODULE).replace(", pin = \"file:pin\"", "");
        insta::assert_snapshot!(report(&text), @r#"
        error: `pin` is missing in `pkcs11` of the credential
         --> unattended.toml:7:1
          |
        7 | pkcs11 = { module = "libsofthsm2.so", token = "nightly", key = "app" }
          | ^^^^^^
          |
          = note: a token signs for nobody without its PIN
          = help: add `pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "nightly", key = "app", pin = "file:pin" }`
        "#);
    }

    #[test]
    fn a_private_key_is_in_one_place() {
        for (line, stands_beside) in [
            ("password = \"file:password\"", "`password` stands beside `pkcs11`"),
            ("signer-command = [\"sign\"]", "`pkcs11` stands beside `signer-command`"),
            ("mutual-tls = true", "`pkcs11` stands beside `mutual-tls`"),
        ] {
            let report = report(&with(CERTIFICATE, &format!("{IN_A_MODULE}\n{line}")));
            assert!(report.contains(stands_beside), "{report}");
        }
    }
}
