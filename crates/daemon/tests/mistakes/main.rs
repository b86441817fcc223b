//! Every mistake that a configuration can hold, and the exact report of each.

mod apis;
mod application;
mod certificates;
mod credentials;
mod file;
mod jobs;
mod sidecar;
mod token_store;

use std::path::Path;

use proptest::prelude::*;
use unattended_daemon::config::Authority;
use unattended_daemon::{Config, MapEnvironment};

/// A configuration without a mistake; each case changes one thing in it.
const GOOD: &str = r#"[application]
client-id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = "contoso.onmicrosoft.com"

[[application.credentials]]
certificate = "file:app.pem"

[apis.graph]
base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default"
roles = ["User.ReadWrite.All"]

[jobs.people]
schedule = "0 2 * * *"
provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }
"#;

fn report(text: &str) -> String {
    let error = Config::parse(Path::new("unattended.toml"), text, &MapEnvironment::default()).unwrap_err();
    let report = error.render(false);
    let shown = format!("{report}{error:?}{error}{}", serde_json::to_string(&error.diagnostics()).unwrap());
    assert!(!shown.contains("hunter2"), "a secret is shown: {shown}");
    report
}

fn with(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

fn without(part: &str) -> String {
    with(part, "")
}

fn with_more(text: &str) -> String {
    format!("{GOOD}{text}\n")
}

#[test]
fn a_good_configuration_is_read_relative_to_its_directory() {
    let config =
        Config::parse(Path::new("/etc/unattended/unattended.toml"), GOOD, &MapEnvironment::default())
            .unwrap();
    assert_eq!(config.application.state_directory, Path::new("/etc/unattended/.unattended/state"));
    assert_eq!(config.application.credentials[0].to_string(), "file:/etc/unattended/app.pem");
    assert_eq!(config.jobs["people"].work.output(), Path::new("/etc/unattended/rejects.ndjson"));
    assert_eq!(config.jobs["people"].schedule.as_ref().unwrap().as_str(), "0 2 * * *");
}

// OP-3
#[test]
fn the_state_directory_of_systemd_is_used_when_the_file_names_none() {
    let environment = MapEnvironment::new([("STATE_DIRECTORY", "/var/lib/unattended:/var/lib/other")]);
    let config = Config::parse(Path::new("unattended.toml"), GOOD, &environment).unwrap();
    assert_eq!(config.application.state_directory, Path::new("/var/lib/unattended"));
    let named = with("tenant =", "state-directory = \"state\"\ntenant =");
    let config = Config::parse(Path::new("/srv/unattended.toml"), &named, &environment).unwrap();
    assert_eq!(config.application.state_directory, Path::new("/srv/state"));
}

#[test]
fn another_authorization_server_needs_an_issuer_and_no_tenant() {
    let text = with("tenant = \"contoso.onmicrosoft.com\"", "issuer = \"https://idp.example.com/\"")
        .replace("5a0e2f3c-1111-4222-8333-444455556666", "nightly-report")
        .replace("https://graph.microsoft.com/.default", "orders.read orders.write");
    let config = Config::parse(Path::new("unattended.toml"), &text, &MapEnvironment::default()).unwrap();
    assert_eq!(config.application.authority, Authority::Issuer("https://idp.example.com/".to_owned()));
    assert_eq!(config.apis["graph"].scope.as_str(), "orders.read orders.write");
}

proptest! {
    #[test]
    fn arbitrary_text_is_read_or_reported_and_never_a_panic(text in ".{0,400}") {
        read_or_reported(&text);
    }

    #[test]
    fn a_damaged_configuration_is_read_or_reported_and_never_a_panic(
        at in 0..GOOD.len(), cut in 0..40_usize, put in "[\\[\\]{}=\"'.,#ü\n a-z0-9]{0,12}"
    ) {
        let before = &GOOD[..at];
        let after = GOOD.get(at + cut..).unwrap_or_default();
        read_or_reported(&format!("{before}{put}{after}"));
    }
}

fn read_or_reported(text: &str) {
    if let Err(error) = Config::parse(Path::new("unattended.toml"), text, &MapEnvironment::default()) {
        assert!(!error.diagnostics().is_empty());
        assert!(error.render(true).contains("error"));
    }
}
