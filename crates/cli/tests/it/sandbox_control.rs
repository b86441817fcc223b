//! A running sandbox, controlled from outside.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Run, Sandbox, Workplace, end, mode, wait_until};
use crate::third_party::administrator;

/// Runs a verb below `sandbox` for this sandbox.
fn control(place: &Workplace, sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let ready_file = sandbox.ready_file();
    let mut all = vec!["sandbox"];
    all.extend(arguments);
    all.extend(["--sandbox", ready_file.to_str().unwrap()]);
    place.run(&all)
}

#[test]
fn settings_change_while_it_runs_and_a_typing_error_leads_to_the_right_name() {
    let (sandbox, place) = (Sandbox::on_disk(), Workplace::new());
    control(&place, &sandbox, &["set", "consent-delay=30s", "fault-rate=0.5"])
        .expect(0)
        .says(&["consent-delay=30s", "fault-rate=0.5"]);
    control(&place, &sandbox, &["get", "consent-delay"]).expect(0).says(&["30s"]);
    control(&place, &sandbox, &["set", "consent-dealy=1s"])
        .expect(2)
        .says(&["did you mean `consent-delay`?"]);
    control(&place, &sandbox, &["set", "token-life=soon"]).expect(2).says(&["`soon`", "token-life is"]);
    control(&place, &sandbox, &["set", "token-life"]).expect(2).says(&["KEY=VALUE"]);
    let all = control(&place, &sandbox, &["get", "--json"]).expect(0).json();
    assert_eq!((&all["consent-delay"], &all["token-life"]), (&json!("30s"), &json!("59m 59s")));
    assert_eq!(mode(&sandbox.data().join("control.token")), 0o600);

    // Found by the ready file of the place, or by that of the data kept there.
    place.run(&["sandbox", "get"]).expect(78).says(&["sandbox start"]);
    fs::copy(sandbox.ready_file(), place.path("sandbox.json")).unwrap();
    place.run(&["sandbox", "get", "consent-delay"]).expect(0).says(&["30s"]);
    fs::remove_file(place.path("sandbox.json")).unwrap();
    fs::create_dir_all(place.path(".unattended/sandbox")).unwrap();
    fs::copy(sandbox.data().join("ready.json"), place.path(".unattended/sandbox/ready.json")).unwrap();
    place.run(&["sandbox", "get", "consent-delay"]).expect(0).says(&["30s"]);
}

#[test]
fn the_journal_shows_who_broke_a_rule() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    control(&place, &sandbox, &["journal", "--clear"]).expect(0);
    control(&place, &sandbox, &["fault", "throttled", "--path", "/graph/v1.0/users"]).expect(0);
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    let entries = control(&place, &sandbox, &["journal", "--json"]).expect(0).ndjson();
    let statuses: Vec<_> = entries.iter().filter(|it| it["path"] == "/graph/v1.0/users").collect();
    assert_eq!((&statuses[0]["status"], &statuses[1]["status"]), (&json!(429), &json!(200)));
    assert_eq!(
        (&statuses[0]["fault"], &statuses[0]["application"]),
        (&json!("throttled"), &json!(place.client_id()))
    );
    // Our own client behaves.
    let rules = ["no-early-retry", "no-token-to-foreign-origin", "token-requests<=1"];
    let asserts: Vec<&str> = rules.iter().flat_map(|rule| ["--assert", rule]).collect();
    control(&place, &sandbox, &[&["journal"], &asserts[..]].concat()).expect(0).says(&["kept"]);

    place.run(&["token"]).expect(0);
    control(&place, &sandbox, &["journal", "--assert", "token-requests<=1"]).expect(1).says(&[
        "broken: token-requests<=1",
        "/oauth2/v2.0/token",
        &place.client_id(),
    ]);
    control(&place, &sandbox, &["journal", "--assert", "be-nice"]).expect(2).says(&["no-early-retry"]);
}

#[test]
fn a_restored_sandbox_has_forgotten_what_came_after() {
    let (sandbox, empty) = (Sandbox::on_disk(), Workplace::new());
    control(&empty, &sandbox, &["snapshot", "before"]).expect(0);
    let place = Workplace::registered(&sandbox);
    place.run(&["token"]).expect(0);
    control(&place, &sandbox, &["tenant", "add", "fabrikam"]).expect(0).says(&["fabrikam.onmicrosoft.com"]);
    control(&place, &sandbox, &["snapshot", "after"]).expect(0);
    for (name, exit, tenants) in [("before", 77, 1), ("after", 0, 2), ("start", 77, 1)] {
        control(&place, &sandbox, &["restore", name]).expect(0);
        place.run(&["token"]).expect(exit);
        let list = control(&place, &sandbox, &["tenant", "list", "--json"]).expect(0).json();
        assert_eq!(list["tenants"].as_array().unwrap().len(), tenants, "{name}");
    }
    control(&place, &sandbox, &["restore", "after"]).expect(0);
    control(&place, &sandbox, &["reset"]).expect(0);
    place.run(&["token"]).expect(77);
    control(&place, &sandbox, &["restore", "nowhere"]).expect(1).says(&["no snapshot `nowhere`"]);
    control(&place, &sandbox, &["restore", "../data"]).expect(2);
}

#[test]
fn other_clients_get_their_variables() {
    let (sandbox, place) = (Sandbox::in_memory(), Workplace::new());
    let variables = control(&place, &sandbox, &["env", "--json"]).expect(0).json();
    assert_eq!(variables["AZURE_AUTHORITY_HOST"], sandbox.ready("authority"));
    assert_eq!(variables["AZURE_TENANT_ID"], sandbox.ready("tenant_id"));
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        assert_eq!(variables[name], sandbox.ready("ca_file"));
    }
    let lines = control(&place, &sandbox, &["env"]).expect(0);
    assert!(lines.stdout.lines().all(|line| line.starts_with("export ")), "{lines}");
}

// runtime S5
#[test]
fn the_machine_gets_identities_and_programs_learn_where_their_tokens_are() {
    let (sandbox, place) = (Sandbox::in_memory(), Workplace::new());
    let own = control(&place, &sandbox, &["identity", "add", "vm-1", "--json"]).expect(0).json();
    assert_eq!(own["kind"], "system-assigned");
    control(&place, &sandbox, &["identity", "add", "vm-2"]).expect(1).says(&["userAssigned"]);
    control(&place, &sandbox, &["identity", "add", "reports", "--user-assigned"])
        .expect(0)
        .says(&["reports (user-assigned) in contoso.onmicrosoft.com"]);
    let all = control(&place, &sandbox, &["identity", "list", "--json"]).expect(0).json();
    assert_eq!(all["identities"].as_array().unwrap().len(), 2);
    assert!(all.get("hosts").is_none(), "the secrets of hosts are for `env` alone");

    let variables = |host: &str| {
        control(&place, &sandbox, &["env", "--managed-identity", host, "--json"]).expect(0).json()
    };
    assert_eq!(variables("imds")["AZURE_POD_IDENTITY_AUTHORITY_HOST"], sandbox.ready("authority"));
    let app_service = variables("app-service");
    assert!(app_service["IDENTITY_ENDPOINT"].as_str().unwrap().starts_with(sandbox.ready("authority")));
    assert!(app_service["IDENTITY_HEADER"].as_str().unwrap().len() > 40);
    assert_eq!(variables("arc")["IMDS_ENDPOINT"], sandbox.ready("authority"));

    let client_id = own["clientId"].as_str().unwrap();
    control(&place, &sandbox, &["identity", "remove", client_id]).expect(0);
    control(&place, &sandbox, &["identity", "remove", client_id]).expect(1);
}

#[test]
fn what_was_answered_before_a_kill_in_the_midst_of_writing_is_there_after_it() {
    let mut sandbox = Sandbox::on_disk();
    let administrator = administrator(&sandbox);
    let operation = |number: u32| {
        let body = json!({
            "accountEnabled": true, "displayName": "x", "mailNickname": format!("n{number}"),
            "userPrincipalName": format!("n{number}@{}", sandbox.ready("tenant_domain")),
            "passwordProfile": { "password": "Wadu7-tapir-Kloster" },
        });
        json!({ "id": number.to_string(), "method": "POST", "url": "/users", "body": body }).to_string()
    };
    let operations: Vec<String> = (0..4_000).map(operation).collect();
    fs::write(administrator.path("users.ndjson"), operations.join("\n")).unwrap();
    let batch = ["call", "graph", "--batch", "users.ndjson", "--to", "results.ndjson"];
    let mut writer =
        administrator.command(&batch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answered = || {
        let text = fs::read_to_string(administrator.path("results.ndjson")).unwrap_or_default();
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        whole.filter(|result| result["status"] == 201).count()
    };
    wait_until(|| answered() >= 200);
    sandbox.stop();
    end(&mut writer);
    let answered = answered();

    sandbox.restart();
    let users =
        administrator.run(&["call", "graph", "GET", "/users?$select=mailNickname", "--all"]).expect(0);
    let users = users.ndjson();
    assert!(users.len() >= answered, "{} of {answered}", users.len());
    assert!(users.len() < operations.len(), "it was killed in the midst of writing");
    administrator.run(&["call", "graph", "POST", "/groups", "--body", GROUP]).expect(0);
}

const GROUP: &str = r#"{"displayName":"x","mailEnabled":false,"mailNickname":"x","securityEnabled":true}"#;

#[test]
fn a_fault_that_cuts_the_connection_is_survived() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    for kind in ["reset-before", "reset-in-body", "reset-after"] {
        control(&place, &sandbox, &["fault", kind, "--path", "/graph/v1.0/users"]).expect(0);
        place.run(&["call", "graph", "GET", "/users"]).expect(0);
    }
    let entries = control(&place, &sandbox, &["journal", "--json"]).expect(0).ndjson();
    let cut = entries.iter().filter(|it| it.get("status").is_none()).count();
    assert_eq!(cut, 2, "the one that is cut in its body had a status");
}

// AC-9
#[test]
fn signing_keys_follow_each_other_on_command() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let keys = |arguments: &[&str]| {
        let run = control(&place, &sandbox, &[&["keys"], arguments, &["--json"]].concat()).expect(0);
        let keys = run.json()["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| (key["kid"].as_str().unwrap().to_owned(), key["state"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let states = |keys: &[(String, String)]| keys.iter().map(|it| it.1.clone()).collect::<Vec<_>>().join(" ");
    let first = keys(&["list"]);
    assert_eq!(states(&first), "active");
    assert_eq!(states(&keys(&["publish"])), "active next");
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    assert_eq!(states(&keys(&["rotate"])), "retired active");
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    assert_eq!(states(&keys(&["revoke", &first[0].0])), "revoked active");
    control(&place, &sandbox, &["keys", "list"]).expect(0).says(&[
        &first[0].0,
        "revoked",
        "active",
        "since ",
    ]);
    control(&place, &sandbox, &["keys", "revoke", "nobody"]).expect(1).says(&["no key with this `kid`"]);
    control(&place, &sandbox, &["keys", "revoke", "../settings"]).expect(2).says(&["keys list"]);
}

// authority 7.3
#[test]
fn subject_names_are_trusted_shown_and_trusted_no_more() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let client_id = place.client_id();
    let trust = |arguments: &[&str]| control(&place, &sandbox, &[&["trust"], arguments].concat());
    trust(&["list", &client_id]).expect(0).says(&["no subject name is trusted"]);
    let ca = sandbox.ready("ca_file");
    let add = |client_id: &str, more: &[&str]| {
        let name = ["add", client_id, "--subject-name", "daemon.contoso.com"];
        trust(&[&name[..], more].concat())
    };
    add(&client_id, &["--ca", ca, "--revoked", "0a:ff"]).expect(0).says(&["1 revoked certificate"]);
    let listed = trust(&["list", &client_id, "--json"]).expect(0).json();
    assert_eq!(listed["trustedSubjects"][0]["revokedSerialNumbers"], json!(["0AFF"]));
    add(&client_id, &["--ca", ca, "--revoked", "mine"]).expect(2).says(&["`mine`", "hexadecimal"]);
    fs::write(place.path("no.pem"), "nothing").unwrap();
    add(&client_id, &["--ca", "no.pem"]).expect(2).says(&["no certificate of an authority"]);
    add("22222222-2222-2222-2222-222222222222", &["--ca", ca]).expect(1).says(&["no application"]);
    let remove = ["remove", &client_id, "--subject-name", "Daemon.Contoso.com"];
    trust(&remove).expect(0).says(&["no subject name is trusted"]);
    trust(&remove).expect(1).says(&["does not trust this subject name"]);
}

// AC-10: a revocation reaches who handles claims challenges
#[test]
fn a_revoked_application_gets_new_tokens_and_goes_on() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    control(&place, &sandbox, &["revoke", &place.client_id()]).expect(0).says(&["1 service principal"]);
    place.run(&["call", "graph", "GET", "/users"]).expect(0);
    control(&place, &sandbox, &["revoke", "22222222-2222-2222-2222-222222222222"])
        .expect(1)
        .says(&["no application"]);
}
