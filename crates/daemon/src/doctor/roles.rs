//! The app roles in the token against those that the jobs need.

use serde_json::{Map, Value};

use super::finding::Finding;

const CHECK: &str = "roles";

pub(super) fn examine(api: &str, needed: &[String], claims: Option<&Map<String, Value>>) -> Finding {
    let finding = if needed.is_empty() {
        Finding::ok(CHECK, "none are asked for by the configuration")
    } else if let Some(claims) = claims {
        compare(api, needed, claims)
    } else {
        Finding::skipped(CHECK, "the token is opaque: only the API can tell")
    };
    finding.about(api)
}

fn compare(api: &str, needed: &[String], claims: &Map<String, Value>) -> Finding {
    let granted: Vec<&str> = claims
        .get("roles")
        .and_then(Value::as_array)
        .map(|roles| roles.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let missing: Vec<&str> =
        needed.iter().map(String::as_str).filter(|role| !granted.contains(role)).collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, format!("granted: {}", needed.join(", ")));
    }
    let options: Vec<String> = missing.iter().map(|role| format!("--role {api}:{role}")).collect();
    let has = if granted.is_empty() { "no role".to_owned() } else { granted.join(", ") };
    Finding::failed(
        CHECK,
        format!("not granted: {}", missing.join(", ")),
        format!(
            "the token has {has}; a daemon needs the *application* permission, granted by an administrator, and a \
             grant shows in tokens issued some minutes later"
        ),
        format!(
            "unattended register NAME {} --grant-admin-consent --administrator FILE   (in a sandbox: --sandbox \
             READY_FILE; in the portal: App registrations, API permissions, Application permissions, then Grant admin \
             consent)",
            options.join(" ")
        ),
    )
}
