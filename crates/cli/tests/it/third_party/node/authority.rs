//! Our client against oidc-provider, a certified OAuth 2.0 authority, over HTTPS.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use super::super::tenant::Tenant;
use super::super::{documents, installed};
use super::node;
use crate::support::{Workplace, end, wait_for_file};

pub(super) const SCOPE: &str = "Things.Read.All";
pub(super) const RESOURCE: &str = "https://api.example.test";
const POST: &str = r#"token-endpoint-auth-method = "client_secret_post""#;
const SECRET: &str = "a secret of this test: 50 % of it + spaces & signs";

#[test]
fn a_token_is_acquired_with_private_key_jwt() {
    let (authority, place) = start();
    configure(&place, &authority, "certificate-client", r#"certificate = "file:client.pem""#, "");
    let claims = acquire(&authority, &place);
    assert_eq!(claims["client_id"], "certificate-client");
    assert_eq!(authority.presented(), ["body"]);

    // Each assertion has an identifier of its own, or this server would refuse the second.
    place.run(&["token", "things", "--force-refresh"]).expect(0);
}

#[test]
fn a_token_is_acquired_with_an_elliptic_curve_key() {
    let (authority, place) = start();
    configure(&place, &authority, "elliptic-client", r#"certificate = "file:elliptic.pem""#, "");
    assert_eq!(acquire(&authority, &place)["client_id"], "elliptic-client");
}

#[test]
fn a_token_is_acquired_with_an_older_algorithm_where_it_is_asked_for() {
    let (authority, place) = start();
    let credential = "certificate = \"file:client.pem\"\nalgorithm = \"RS256\"";
    configure(&place, &authority, "certificate-client", credential, "");
    assert_eq!(acquire(&authority, &place)["client_id"], "certificate-client");
}

#[test]
fn a_token_is_acquired_with_an_assertion_that_another_program_signs() {
    let (authority, place) = start();
    let script = super::super::program("node/sign_assertion.mjs").canonicalize().unwrap();
    let argv = json!(["node", script, place.path("client.pem"), "certificate-client", authority.issuer]);
    configure(&place, &authority, "certificate-client", &format!("assertion-command = {argv}"), "");
    let path = std::env::var("PATH").unwrap();
    let run = |arguments: &[&str]| {
        let output = place.command(arguments).env("PATH", &path).output().unwrap();
        crate::support::Run::new(arguments, output)
    };
    run(&["token", "things"]).expect(0).says(&["certificate-client"]);

    // The same in a file, as Kubernetes would put it there. This server takes an assertion once.
    let assertion = std::process::Command::new("node")
        .args([script.as_os_str(), place.path("client.pem").as_os_str()])
        .args(["certificate-client", &authority.issuer])
        .output()
        .unwrap();
    fs::write(place.path("assertion"), assertion.stdout).unwrap();
    configure(&place, &authority, "certificate-client", "assertion-file = \"assertion\"", "");
    run(&["token", "things"]).expect(0).says(&["certificate-client"]);
    run(&["token", "things"]).expect(77).says(&["invalid_client"]);
}

// 59
#[test]
fn the_sandbox_takes_the_token_of_this_authority_for_a_daemon_without_a_secret() {
    let outside = Outside::start();
    let tenant = Tenant::federated(&outside);
    tenant.place.edit_config(&secret_line(&tenant), "assertion-file = \"assertion\"");
    tenant.place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
    fs::write(tenant.place.path("assertion"), "hunter2").unwrap();
    let run = tenant.place.run(&["token", "graph"]).expect(77);
    run.says(&["gave no signed JWT"]);
    assert!(!run.to_string().contains("hunter2"), "{run}");
}

// D15
#[test]
fn the_sandbox_takes_a_certificate_by_its_name_and_issuer_when_the_chain_is_sent() {
    let tenant = Tenant::with_subject_name();
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(tenant.place.path("issued.pem"), private).unwrap();
    tenant.place.edit_config(&secret_line(&tenant), "certificate = \"file:issued.pem\"");
    tenant.place.run(&["token", "graph"]).expect(77);
    tenant.place.edit_config("\"file:issued.pem\"", "\"file:issued.pem\"\nsend-chain = true");
    tenant.place.run(&["token", "graph"]).expect(0).says(&["User.ReadWrite.All"]);
}

/// The line of the configuration with the secret that the daemon was registered with.
fn secret_line(tenant: &Tenant) -> String {
    let file = tenant.place.credential_file();
    format!("secret = \"file:{}\"", file.file_name().unwrap().to_str().unwrap())
}

#[test]
fn a_token_is_acquired_with_a_secret_in_the_authorization_header() {
    let (authority, place) = start();
    let method = r#"token-endpoint-auth-method = "client_secret_basic""#;
    configure(&place, &authority, "basic-client", r#"secret = "file:secret""#, method);
    let claims = acquire(&authority, &place);
    assert_eq!(claims["client_id"], "basic-client");
    assert_eq!(authority.presented(), ["Basic"]);
}

#[test]
fn a_token_is_acquired_with_a_secret_in_the_body() {
    let (authority, place) = start();
    configure(&place, &authority, "post-client", r#"secret = "file:secret""#, POST);
    let claims = acquire(&authority, &place);
    assert_eq!(claims["client_id"], "post-client");
    assert_eq!(authority.presented(), ["body"]);
}

#[test]
fn a_resource_that_the_authority_does_not_know_is_a_configuration_error_with_its_code() {
    let (authority, place) = start();
    configure(&place, &authority, "certificate-client", r#"certificate = "file:client.pem""#, "");
    place.edit_config(RESOURCE, "https://other.example.test");
    let failure = place.run(&["--json", "token", "things"]).expect(78).json();
    assert_eq!(failure["error"]["oauth_error"], "invalid_target", "{failure}");
}

#[test]
fn a_wrong_secret_is_a_refusal_with_its_code() {
    let (authority, place) = start();
    configure(&place, &authority, "basic-client", r#"secret = "file:secret""#, "");
    fs::write(place.path("secret"), "another").unwrap();
    let failure = place.run(&["--json", "token", "things"]).expect(77).json();
    assert_eq!(failure["error"]["oauth_error"], "invalid_client", "{failure}");
}

/// A running oidc-provider; it ends with its value.
pub(super) struct Authority {
    process: Child,
    pub(super) issuer: String,
    directory: tempfile::TempDir,
}

impl Authority {
    /// How the client presented itself in each token request: "Basic", or in the body.
    pub(super) fn presented(&self) -> Vec<String> {
        let requests = fs::read_to_string(self.directory.path().join("requests")).unwrap();
        requests.lines().map(str::to_owned).collect()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// An issuer outside the tenant, and a client of it whose tokens go elsewhere.
pub(in super::super) struct Outside {
    authority: Authority,
    place: Workplace,
}

impl Outside {
    pub(in super::super) fn start() -> Self {
        let (authority, place) = start();
        configure(&place, &authority, "post-client", r#"secret = "file:secret""#, POST);
        Self { authority, place }
    }

    pub(in super::super) fn token(&self) -> String {
        self.place.run(&["token", "things", "--raw"]).expect(0).stdout.trim().to_owned()
    }

    pub(in super::super) fn issuer(&self) -> &str {
        &self.authority.issuer
    }

    /// In the tokens of the client credentials grant a client is its own subject.
    pub(in super::super) fn subject(&self) -> &'static str {
        "post-client"
    }

    pub(in super::super) fn audience(&self) -> &'static str {
        RESOURCE
    }

    pub(in super::super) fn ca_file(&self) -> PathBuf {
        self.place.path("ca.pem")
    }
}

/// Starts the authority, and a folder with the credentials that it knows.
pub(super) fn start() -> (Authority, Workplace) {
    installed("node/node_modules/oidc-provider");
    let directory = tempfile::tempdir().unwrap();
    let place = Workplace::new();
    make_credentials(directory.path(), &place);

    let path = |name: &str| directory.path().join(name);
    let settings = json!({
        "tls": { "key": path("server-key.pem"), "certificate": path("server.pem"), "ca": path("ca.pem") },
        "client": { "certificate": path("client-certificate.pem"), "elliptic": path("elliptic-certificate.pem") },
        "secret": SECRET,
        "resource": RESOURCE,
        "scope": SCOPE,
        "ready": path("ready.json"),
        "requests": path("requests"),
    });
    fs::write(path("settings.json"), settings.to_string()).unwrap();

    let log = File::create(path("log")).unwrap();
    let mut process = node("authority.mjs")
        .arg(path("settings.json"))
        .env("NODE_EXTRA_CA_CERTS", path("ca.pem"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let ready = wait_for_file(&path("ready.json"), &mut process, &path("log"));
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let issuer = ready["issuer"].as_str().unwrap().to_owned();
    (Authority { process, issuer, directory }, place)
}

/// The server's certificate and its issuer's, and the two credentials of the client.
fn make_credentials(directory: &Path, place: &Workplace) {
    let mut issuer = named("Test authority");
    issuer.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let issuer = CertifiedIssuer::self_signed(issuer, rsa_key()).unwrap();
    fs::write(place.path("ca.pem"), issuer.pem()).unwrap();
    fs::write(directory.join("ca.pem"), issuer.pem()).unwrap();

    let server_key = rsa_key();
    let mut server = CertificateParams::new(["localhost".to_owned(), "mtls.localhost".to_owned()]).unwrap();
    server.distinguished_name.push(DnType::CommonName, "localhost");
    let server = server.signed_by(&server_key, &issuer).unwrap();
    write_private(&directory.join("server-key.pem"), &server_key.serialize_pem());
    fs::write(directory.join("server.pem"), server.pem()).unwrap();

    let client_key = rsa_key();
    let client = named("Test daemon").self_signed(&client_key).unwrap();
    fs::write(directory.join("client-certificate.pem"), client.pem()).unwrap();
    write_private(&place.path("client.pem"), &(client_key.serialize_pem() + &client.pem()));
    let elliptic_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let elliptic = named("Test daemon").self_signed(&elliptic_key).unwrap();
    fs::write(directory.join("elliptic-certificate.pem"), elliptic.pem()).unwrap();
    write_private(&place.path("elliptic.pem"), &(elliptic_key.serialize_pem() + &elliptic.pem()));
    let mut issued = CertificateParams::new(["daemon.example.test".to_owned()]).unwrap();
    issued.distinguished_name.push(DnType::CommonName, "Test daemon");
    let issued = issued.signed_by(&client_key, &issuer).unwrap();
    write_private(&place.path("issued.pem"), &(client_key.serialize_pem() + &issued.pem()));
    write_private(&place.path("secret"), SECRET);
}

fn named(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters
}

fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
}

fn write_private(path: &Path, content: &str) {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

pub(super) fn configure(
    place: &Workplace,
    authority: &Authority,
    client_id: &str,
    credential: &str,
    option: &str,
) {
    let issuer = &authority.issuer;
    let text = format!(
        r#"[application]
client-id = "{client_id}"
issuer = "{issuer}"
ca-file = "ca.pem"
{option}

[[application.credentials]]
{credential}

[apis.things]
base-url = "{RESOURCE}"
scope = "{SCOPE}"
resource = "{RESOURCE}"
"#
    );
    fs::write(place.path("unattended.toml"), text).unwrap();
}

/// Acquires a token and has it verified by a library that is not ours; returns its claims.
#[track_caller]
fn acquire(authority: &Authority, place: &Workplace) -> Value {
    let token = place.run(&["token", "things", "--raw"]).expect(0).stdout;
    let token_file = authority.directory.path().join("token");
    fs::write(&token_file, token).unwrap();
    let output = node("verify_token.mjs")
        .args([&authority.issuer, RESOURCE])
        .env("NODE_EXTRA_CA_CERTS", place.path("ca.pem"))
        .stdin(File::open(token_file).unwrap())
        .output()
        .unwrap();
    let claims = documents(&output).remove(0);
    assert_eq!((&claims["aud"], &claims["scope"]), (&RESOURCE.into(), &SCOPE.into()), "{claims}");
    claims
}
