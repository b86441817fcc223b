//! `unattended sandbox`: a tenant that other programs find, that comes back as it was, and that can be emptied.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, Workplace, mode};

#[test]
fn the_ready_file_says_where_everything_is() {
    let sandbox = Sandbox::in_memory();
    let ready: Value = serde_json::from_str(&fs::read_to_string(sandbox.ready_file()).unwrap()).unwrap();
    let members: Vec<&String> = ready.as_object().unwrap().keys().collect();
    let expected = [
        "authority",
        "tenant_id",
        "tenant_domain",
        "graph",
        "graph_resource",
        "vault",
        "ca_file",
        "administrator",
    ];
    assert!(
        members.len() == expected.len() && expected.iter().all(|name| ready.get(name).is_some()),
        "{ready}"
    );

    let authority = sandbox.ready("authority");
    assert!(authority.starts_with("https://localhost:"), "{ready}");
    assert_eq!(sandbox.ready("graph"), format!("{authority}/graph/v1.0"));
    assert_eq!(sandbox.ready("graph_resource"), "https://graph.microsoft.com");
    assert_eq!(sandbox.ready("vault"), format!("{authority}/vault/contoso"));
    assert!(fs::read_to_string(sandbox.ready("ca_file")).unwrap().contains("BEGIN CERTIFICATE"));
    let (secret_file, secret) = sandbox.administrator_secret();
    assert_eq!(mode(&secret_file), 0o600);
    assert!(secret.len() >= 16);
}

#[test]
fn a_tenant_in_files_comes_back_after_a_kill_with_its_port_and_its_applications() {
    let mut sandbox = Sandbox::on_disk();
    let place = Workplace::registered(&sandbox);
    let before = (sandbox.ready("authority").to_owned(), sandbox.ready("tenant_id").to_owned());

    sandbox.restart();
    let after = (sandbox.ready("authority").to_owned(), sandbox.ready("tenant_id").to_owned());
    assert_eq!(before, after);
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    for entry in fs::read_dir(sandbox.data()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn after_a_reset_the_next_start_makes_a_new_tenant() {
    let mut sandbox = Sandbox::on_disk();
    let before = sandbox.ready("tenant_id").to_owned();
    let place = Workplace::new();
    let data = sandbox.data().display().to_string();

    let run = place.run(&["sandbox", "reset", "--data", &data]);
    assert!(run.stderr.contains("error:"), "a sandbox that serves was emptied\n{run}");
    sandbox.stop();
    place.run(&["sandbox", "reset", "--data", &data]).expect(0);
    sandbox.restart();
    assert_ne!(sandbox.ready("tenant_id"), before);
}
