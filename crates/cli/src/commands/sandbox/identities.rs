//! `identity`: the managed identities of the machine that the sandbox plays.

use http::Method;
use serde_json::{Value, json};

use super::running::Running;
use super::segment;
use crate::arguments::SandboxIdentity;
use crate::failure::CommandError;
use crate::printer::Printer;

pub(super) async fn run(identity: &SandboxIdentity, printer: &Printer) -> Result<(), CommandError> {
    match identity {
        SandboxIdentity::Add { name, user_assigned, tenant, sandbox } => {
            let mut wish = json!({ "name": name, "userAssigned": user_assigned });
            if let Some(tenant) = tenant {
                wish["tenant"] = json!(tenant);
            }
            let running = Running::find(sandbox.sandbox.as_deref())?;
            let made = running.ask(Method::POST, "/identities", Some(&wish)).await?;
            printer.result(row(&made))?;
            printer.json(&made)
        }
        SandboxIdentity::List { sandbox } => {
            let running = Running::find(sandbox.sandbox.as_deref())?;
            let answer = running.ask(Method::GET, "/identities", None).await?;
            for identity in answer["identities"].as_array().into_iter().flatten() {
                printer.result(row(identity))?;
            }
            printer.json(&json!({ "identities": answer["identities"] }))
        }
        SandboxIdentity::Remove { client_id, sandbox } => {
            let running = Running::find(sandbox.sandbox.as_deref())?;
            let path = format!("/identities/{}", segment(client_id)?);
            running.ask(Method::DELETE, &path, None).await?;
            printer.result(format_args!("removed {client_id}"))?;
            printer.json(&json!({ "removed": client_id }))
        }
    }
}

fn row(identity: &Value) -> String {
    let text = |name: &str| identity[name].as_str().unwrap_or_default();
    format!(
        "{} ({}) in {}: client ID {}, object ID {}",
        text("name"),
        text("kind"),
        text("tenantDomain"),
        text("clientId"),
        text("objectId"),
    )
}
