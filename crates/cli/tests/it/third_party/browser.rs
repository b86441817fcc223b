//! Chromium, in which an administrator is asked for consent.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{documents, installed, packages, program};
use crate::support::{Sandbox, Workplace};

// authority 13, AC-11
#[test]
fn an_administrator_signs_in_cancels_and_accepts_in_chromium() {
    installed("node/node_modules/playwright-core");
    let sandbox = Sandbox::in_memory();
    let place = Workplace::new();
    place.register(&sandbox, &["--secret", "new"]).expect(0);
    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(77);

    let found = decide(&sandbox, &place);
    assert_eq!(found["complaints"], json!([]), "the pages keep their own policy: {found}");
    assert_eq!(found["refusal"], "AADSTS50011", "{found}");
    assert!(found["alert"].as_str().unwrap().contains("The password is wrong"), "{found}");
    assert!(found["width"].as_u64().unwrap() <= 360, "a narrow screen shows all of it: {found}");
    assert!(!found["permissions"].as_array().unwrap().is_empty(), "{found}");
    let cookie = &found["cookies"][0];
    assert!(cookie["name"].as_str().unwrap().starts_with("__Host-unattended-"), "{found}");
    let attributes = [&cookie["httpOnly"], &cookie["secure"], &cookie["sameSite"]];
    assert_eq!(attributes, [&json!(true), &json!(true), &json!("Lax")], "{found}");

    let text = |name: &str| found[name].as_str().unwrap();
    let description = "error_description=The+admin+canceled+the+request";
    assert_eq!(
        text("cancelled"),
        format!(
            "{}/connect/customer/7?error=permission_denied&{description}&state=a+b%26c%3D%C3%BC#",
            text("home")
        )
    );
    let (head, tail) = text("accepted").split_once("&scope=").unwrap();
    let tenant = sandbox.ready("tenant_id");
    assert_eq!(head, format!("{}/connect?admin_consent=True&tenant={tenant}", text("home")));
    assert!(tail.ends_with("&state=second#"), "{tail}");

    place.run(&["call", "graph", "GET", "/users?$top=1"]).expect(0);
}

/// Goes through all pages; pictures of them are left beside the logs of `cargo xtask`.
fn decide(sandbox: &Sandbox, place: &Workplace) -> Value {
    let pictures = packages().with_file_name("xtask");
    fs::create_dir_all(&pictures).unwrap();
    let settings = json!({
        "chromium": "/usr/bin/chromium",
        "pictures": pictures,
        "authority": sandbox.ready("authority"),
        "tenant": sandbox.ready("tenant_id"),
        "graph": sandbox.ready("graph"),
        "graph_resource": sandbox.ready("graph_resource"),
        "client_id": place.client_id(),
        "administrator_client_id": sandbox.administrator_client_id(),
        "password": sandbox.administrator_secret().1.trim(),
    });
    let file = place.path("settings.json");
    fs::write(&file, settings.to_string()).unwrap();
    let output = Command::new("node")
        .arg(program("node/consent.mjs"))
        .arg(&file)
        .env("UNATTENDED_THIRD_PARTY", packages())
        .env("NODE_EXTRA_CA_CERTS", sandbox.ready("ca_file"))
        .env("NO_PROXY", "localhost")
        .output()
        .unwrap();
    documents(&output).remove(0)
}
