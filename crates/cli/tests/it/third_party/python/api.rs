//! A FastAPI application with fastapi-azure-auth, unmodified, validates the sandbox's tokens.

use std::fs;

use serde_json::{Value, json};

use super::super::things::{ROLE, Server, Things, lets_in_the_role_alone};
use super::python;
use crate::support::wait_for_file;

// S2
#[test]
fn a_fastapi_application_lets_in_who_has_the_role_and_nobody_else() {
    let things = Things::publish();
    let folder = tempfile::tempdir().unwrap();
    let (settings, ready) = (folder.path().join("settings.json"), folder.path().join("ready.json"));
    let (authority, tenant) = (things.sandbox.ready("authority"), things.sandbox.ready("tenant_id"));
    let content = json!({
        "audience": things.client_id,
        "tenant": tenant,
        "metadata": format!("{authority}/{tenant}/v2.0/.well-known/openid-configuration"),
        "ca_file": things.sandbox.ready("ca_file"),
        "role": ROLE,
        "ready": ready,
    });
    fs::write(&settings, content.to_string()).unwrap();
    let mut server = Server::start(folder, python("api_with_fastapi.py").arg(settings));
    let log = server.path("output");
    let ready: Value = serde_json::from_str(&wait_for_file(&ready, &mut server.process, &log)).unwrap();
    lets_in_the_role_alone(&things, u16::try_from(ready["port"].as_u64().unwrap()).unwrap());
}
