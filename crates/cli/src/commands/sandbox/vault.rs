//! `vault`: who may do what in the tenants' vaults.

use http::Method;
use serde_json::Value;

use super::running::Running;
use super::segment;
use crate::arguments::{SandboxVault, VaultRole};
use crate::failure::CommandError;
use crate::printer::Printer;

pub(super) async fn run(vault: &SandboxVault, printer: &Printer) -> Result<(), CommandError> {
    match vault {
        SandboxVault::Grant(role) => {
            let grant = running(role)?.ask(Method::PUT, &path(role)?, None).await?;
            printer.result(row(&grant))?;
            printer.json(&grant)
        }
        SandboxVault::Revoke(role) => {
            let done = ("revoked", format!("{} from {}", role.role, role.client_id));
            running(role)?.ask(Method::DELETE, &path(role)?, None).await?;
            printer.result(format_args!("{} {}", done.0, done.1))?;
            printer.json(&serde_json::json!({ done.0: { "client_id": role.client_id, "role": role.role } }))
        }
        SandboxVault::Grants { sandbox } => {
            let running = Running::find(sandbox.sandbox.as_deref())?;
            let answer = running.ask(Method::GET, "/vault/grants", None).await?;
            for grant in answer["grants"].as_array().into_iter().flatten() {
                printer.result(row(grant))?;
            }
            printer.json(&answer)
        }
    }
}

fn running(role: &VaultRole) -> Result<Running, CommandError> {
    Running::find(role.sandbox.sandbox.as_deref())
}

fn path(role: &VaultRole) -> Result<String, CommandError> {
    let path = format!("/vault/grants/{}/{}", segment(&role.client_id)?, segment(&role.role)?);
    Ok(match &role.tenant {
        None => path,
        Some(tenant) => format!("{path}?tenant={}", segment(tenant)?),
    })
}

fn row(grant: &Value) -> String {
    let text = |name: &str| grant[name].as_str().unwrap_or_default().to_owned();
    format!(
        "{} may act as {} ({}) in the vault of {}",
        text("client_id"),
        text("role"),
        text("title"),
        text("tenant_domain"),
    )
}
