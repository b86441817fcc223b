//! `unattended sandbox`: a tenant on this machine.

mod applications;
mod control;
mod environment;
mod identities;
mod journal;
mod keys;
mod running;
mod vault;

use std::path::{Path, PathBuf};

use http::Method;
use unattended_sandbox::{Ready, Sandbox as Tenant, SandboxError};
use unattended_transport::Transport;

use self::running::Running;
use super::on_signals;
use crate::arguments::{Sandbox, SandboxStart, SandboxTenant, WhichSandbox};
use crate::failure::{CommandError, Exit};
use crate::files;
use crate::printer::{BOLD, Printer, styled};

/// Where a tenant is kept unless told otherwise.
const DEFAULT_DATA: &str = "./.unattended/sandbox";

/// The ready file in the data directory, by which the other verbs find a running sandbox.
const READY_FILE: &str = "ready.json";

pub(crate) async fn run(sandbox: Sandbox, printer: &Printer) -> Result<Exit, CommandError> {
    let running = |which: &WhichSandbox| Running::find(which.sandbox.as_deref());
    match sandbox {
        Sandbox::Start(start) => return serve(start, printer).await,
        Sandbox::Set { settings, sandbox } => control::set(&running(&sandbox)?, &settings, printer).await?,
        Sandbox::Get { key, sandbox } => control::get(&running(&sandbox)?, key.as_deref(), printer).await?,
        Sandbox::Fault(fault) => control::fault(&running(&fault.sandbox)?, &fault, printer).await?,
        Sandbox::Journal { clear: true, sandbox, .. } => {
            let done = ("cleared", "the journal");
            control::order(&running(&sandbox)?, Method::DELETE, "/journal", done, printer).await?;
        }
        Sandbox::Journal { follow, assert, sandbox, .. } if assert.is_empty() => {
            journal::print(&running(&sandbox)?, follow, printer).await?;
        }
        Sandbox::Journal { assert, sandbox, .. } => {
            return journal::check(&running(&sandbox)?, &assert, printer).await;
        }
        Sandbox::Snapshot { name, sandbox } => {
            let path = format!("/snapshots/{}", segment(&name)?);
            control::order(&running(&sandbox)?, Method::PUT, &path, ("kept", &name), printer).await?;
        }
        Sandbox::Restore { name, sandbox } => {
            let path = format!("/snapshots/{}/restore", segment(&name)?);
            control::order(&running(&sandbox)?, Method::POST, &path, ("restored", &name), printer).await?;
        }
        Sandbox::Env { managed_identity: None, sandbox } => {
            environment::print(&running::ready(sandbox.sandbox.as_deref())?, None, printer)?;
        }
        Sandbox::Env { managed_identity: Some(host), sandbox } => {
            let running = running(&sandbox)?;
            let hosts = running.ask(Method::GET, "/identities", None).await?["hosts"].take();
            environment::print(&running.ready, Some((host, &hosts)), printer)?;
        }
        Sandbox::Identity(identity) => identities::run(&identity, printer).await?,
        Sandbox::Tenant(SandboxTenant::Add { name, sandbox }) => {
            control::add_tenant(&running(&sandbox)?, &name, printer).await?;
        }
        Sandbox::Tenant(SandboxTenant::List { sandbox }) => {
            control::list_tenants(&running(&sandbox)?, printer).await?;
        }
        Sandbox::Vault(vault) => vault::run(&vault, printer).await?,
        Sandbox::Trust(trust) => applications::trust(&trust, printer).await?,
        Sandbox::Revoke { client_id, sandbox } => {
            applications::revoke(&running(&sandbox)?, &client_id, printer).await?;
        }
        Sandbox::Keys(keys) => keys::run(&keys, printer).await?,
        Sandbox::Reset { data: None, sandbox } => {
            let done = ("reset", "the sandbox to its start");
            control::order(&running(&sandbox)?, Method::POST, "/reset", done, printer).await?;
        }
        Sandbox::Reset { data: Some(data), .. } => {
            Tenant::reset(&data).map_err(|error| of_sandbox(&error))?;
            // One that was killed had no time to take it away.
            _ = std::fs::remove_file(data.join(READY_FILE));
            printer.result(format_args!("{} is empty; the next start makes a new tenant", data.display()))?;
            printer.json(&serde_json::json!({ "reset": data }))?;
        }
    }
    Ok(Exit::Done)
}

/// A name that is one segment of a path; what else it may be, the sandbox decides.
fn segment(name: &str) -> Result<&str, CommandError> {
    let is_plain =
        !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
    match is_plain && !name.starts_with('.') {
        true => Ok(name),
        false => Err(CommandError::new(Exit::Usage, format!("`{name}` is no name that the sandbox knows"))
            .hint("a name has letters, digits and hyphens")),
    }
}

async fn serve(start: SandboxStart, printer: &Printer) -> Result<Exit, CommandError> {
    let SandboxStart { data, in_memory, listen, expose_to_network, trust_issuer_ca, ready_file, users, seed } =
        start;
    // Before anything is served: a signal that comes early must not be lost.
    let shutdown = on_signals()?;
    let mut builder = Tenant::builder().listen(listen).users(users).seed(seed);
    if expose_to_network {
        builder = builder.expose_to_network();
    }
    for path in &trust_issuer_ca {
        builder = builder.trust_issuers_of(authority_certificates(path)?);
    }
    let data = (!in_memory).then(|| data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)));
    let builder = match &data {
        None => builder.in_memory(),
        Some(data) => builder.directory(data),
    };
    let running = builder.start().await.map_err(|error| of_sandbox(&error))?;
    let ready = running.ready();
    let ready_files: Vec<PathBuf> =
        ready_file.into_iter().chain(data.map(|data| data.join(READY_FILE))).collect();
    // Whoever polls for a file must not find that of a sandbox that is not ready, or not any more.
    let withdraw = || ready_files.iter().for_each(|path| _ = std::fs::remove_file(path));
    if let Err(error) = ready_files.iter().try_for_each(|path| write_ready_file(path, ready)) {
        withdraw();
        return Err(error);
    }
    printer.json(ready)?;
    printer.result(summary(ready))?;
    if !listen.ip().is_loopback() {
        printer.note(format_args!("other machines reach {listen}: put nothing real into this tenant"));
    }
    printer.note("serving until a signal (Ctrl-C)");
    shutdown.drain.cancelled().await;
    printer.note("stopping");
    running.shutdown().await;
    withdraw();
    Ok(Exit::Done)
}

/// A PEM file that is checked before it is used, so that a mistake names the file.
fn authority_certificates(path: &Path) -> Result<Vec<u8>, CommandError> {
    let failed = |cause: &(dyn std::error::Error + 'static)| {
        CommandError::new(Exit::Configuration, format!("{} is no file of CA certificates", path.display()))
            .caused_by(cause)
            .hint("it has one certificate in PEM or several")
    };
    let pem = std::fs::read(path).map_err(|cause| failed(&cause))?;
    drop(Transport::builder().extra_ca_pem(&pem).map_err(|cause| failed(&cause))?);
    Ok(pem)
}

pub(crate) fn write_ready_file(path: &Path, ready: &Ready) -> Result<(), CommandError> {
    let json = serde_json::to_vec_pretty(ready).map_err(std::io::Error::from)?;
    files::write_private(path, &json)
}

pub(crate) fn of_sandbox(error: &SandboxError) -> CommandError {
    let failure = CommandError::new(Exit::Failed, "the sandbox cannot be used").caused_by(error);
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

fn summary(ready: &Ready) -> String {
    let rows = [
        ("authority", ready.authority.clone()),
        ("tenant", format!("{} ({})", ready.tenant_domain, ready.tenant_id)),
        ("directory", ready.graph.clone()),
        ("vault", ready.vault.clone()),
        ("CA", ready.ca_file.display().to_string()),
        (
            "administrator",
            format!(
                "{}, secret in {}",
                ready.administrator.client_id,
                ready.administrator.secret_file.display()
            ),
        ),
    ];
    rows.map(|(name, value)| format!("{} {value}", styled(BOLD, format_args!("{name:<13}")))).join("\n")
}
