//! The stories that a daemon's users tell, from the first step to the last, with what they meet where they leave one out.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::{Run, Sandbox, Workplace};
use crate::third_party::{Things, administrator, create};

// S1
#[test]
fn a_daemon_reads_every_user_and_learns_which_step_is_missing() {
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::new();
    place.register(&sandbox, &["--secret", "new"]).expect(0);
    let read = ["call", "graph", "GET", "/users", "--all"];
    place.run(&read).expect(77).says(&["Authorization_RequestDenied", "hint:", "unattended doctor"]);
    place.run(&["doctor"]).expect(77).says(&["User.ReadWrite.All", "--grant-admin-consent"]);

    place.register(&sandbox, &["--secret", "new", "--grant-admin-consent"]).expect(0);
    let users = place.run(&read).expect(0).ndjson();
    assert_eq!(users.iter().map(|user| user["id"].to_string()).collect::<BTreeSet<_>>().len(), 250);

    let secret = place.credential_file();
    let good = fs::read_to_string(&secret).unwrap();
    fs::write(&secret, "not-the-secret-of-this-application").unwrap();
    place.run(&read).expect(77).says(&["AADSTS7000215"]);
    fs::write(&secret, expired_secret(&sandbox, &place)).unwrap();
    place.run(&read).expect(77).says(&["AADSTS7000222"]);
    fs::write(&secret, good).unwrap();
    place.edit_config(&place.client_id(), "99999999-9999-4999-8999-999999999999");
    place.run(&read).expect(77).says(&["AADSTS700016"]);
}

// S1: with a certificate, whichever of the two algorithms names it
#[test]
fn a_daemon_with_a_certificate_reads_every_user_by_either_algorithm() {
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::registered(&sandbox);
    let read = ["call", "graph", "GET", "/users", "--all"];
    assert_eq!(place.run(&read).expect(0).ndjson().len(), 250);
    place.edit_config("[[application.credentials]]", "[[application.credentials]]\nalgorithm = \"RS256\"");
    assert_eq!(place.run(&read).expect(0).ndjson().len(), 250);
}

// S2: what the authority refuses before the API is asked; what the API itself refuses is in `third_party`
#[test]
fn an_api_of_ones_own_has_to_be_in_the_tenant_and_may_want_an_assignment() {
    let things = Things::publish();
    let reader = things.reader("http://localhost:1");
    reader.run(&["token", "things"]).expect(0).says(&[&things.client_id, "Things.Read.All"]);

    let administrator = administrator(&things.sandbox);
    let principal = format!("/servicePrincipals(appId='{}')", things.client_id);
    let required = json!({ "appRoleAssignmentRequired": true }).to_string();
    administrator.run(&["call", "graph", "PATCH", &principal, "--body", &required]).expect(0);
    reader.run(&["token", "things"]).expect(0);

    let granted = format!("{principal}/appRoleAssignedTo");
    let grants = administrator.run(&["call", "graph", "GET", &granted, "--all"]).expect(0).ndjson();
    let client = administrator
        .run(&["call", "graph", "GET", &format!("/servicePrincipals(appId='{}')", reader.client_id())])
        .expect(0)
        .json();
    let grant = grants.iter().find(|grant| grant["principalId"] == client["id"]).unwrap();
    let grant = format!("{granted}/{}", grant["id"].as_str().unwrap());
    administrator.run(&["call", "graph", "DELETE", &grant]).expect(0);
    reader.run(&["token", "things"]).expect(77).says(&["AADSTS501051"]);

    administrator.run(&["call", "graph", "DELETE", &principal]).expect(0);
    reader.run(&["token", "things"]).expect(77).says(&["AADSTS500011"]);
}

// S5, S8: an application that a managed identity of the machine vouches for, on a virtual machine and in App Service
#[test]
fn a_daemon_without_any_credential_reads_every_user_on_the_word_of_the_machine() {
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::new();
    place.register(&sandbox, &["--secret", "new", "--grant-admin-consent"]).expect(0);
    let ready_file = sandbox.ready_file();
    let named = ["--sandbox", ready_file.to_str().unwrap(), "--json"];
    let identity =
        place.run(&[&["sandbox", "identity", "add", "vm-1"], &named[..]].concat()).expect(0).json();
    let credentials = format!("/applications(appId='{}')/federatedIdentityCredentials", place.client_id());
    let trusted = json!({
        "name": "machine", "subject": identity["objectId"], "audiences": ["api://AzureADTokenExchange"],
        "issuer": format!("{}/{}/v2.0", sandbox.ready("authority"), sandbox.ready("tenant_id")),
    });
    create(&administrator(&sandbox), &credentials, &trusted);

    let config = fs::read_to_string(place.path("unattended.toml")).unwrap();
    let secret = config.lines().find(|line| line.starts_with("secret")).unwrap();
    place.edit_config(secret, "managed-identity = \"system\"");
    fs::remove_file(place.path("people-sync.secret")).unwrap();
    let read = ["call", "graph", "GET", "/users", "--all"];
    for host in ["imds", "app-service"] {
        let env = [&["sandbox", "env", "--managed-identity", host], &named[..]].concat();
        let variables = place.run(&env).expect(0).json();
        let is_about_identities = |name: &str| name.starts_with("IDENTITY_") || name.contains("_POD_");
        let variables = variables.as_object().unwrap().iter().filter(|(name, _)| is_about_identities(name));
        let variables = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let output = place.command(&read).envs(variables).output().unwrap();
        assert_eq!(Run::new(&read, output).expect(0).ndjson().len(), 250, "{host}");
    }
}

/// A secret of the place's application whose time was over before it was made.
fn expired_secret(sandbox: &Sandbox, place: &Workplace) -> String {
    let path = format!("/applications(appId='{}')/addPassword", place.client_id());
    let dates = json!({ "startDateTime": "2020-01-01T00:00:00Z", "endDateTime": "2021-01-01T00:00:00Z" });
    let made: Value = create(&administrator(sandbox), &path, &json!({ "passwordCredential": dates }));
    made["secretText"].as_str().unwrap().to_owned()
}
