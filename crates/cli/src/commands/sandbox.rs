//! `unattended sandbox`: a tenant on this machine.

use std::path::{Path, PathBuf};

use unattended_daemon::Shutdown;
use unattended_sandbox::{Ready, Sandbox as Tenant, SandboxError};

use crate::arguments::{Sandbox, SandboxStart};
use crate::failure::{CommandError, Exit};
use crate::files;
use crate::printer::{BOLD, Printer, styled};

const DEFAULT_DATA: &str = "./.unattended/sandbox";

pub(crate) async fn run(sandbox: Sandbox, printer: &Printer) -> Result<Exit, CommandError> {
    match sandbox {
        Sandbox::Start(start) => serve(start, printer).await,
        Sandbox::Reset { data } => {
            Tenant::reset(&data).map_err(|error| of_sandbox(&error))?;
            printer.result(format_args!("{} is empty; the next start makes a new tenant", data.display()))?;
            printer.json(&serde_json::json!({ "reset": data }))?;
            Ok(Exit::Done)
        }
    }
}

async fn serve(start: SandboxStart, printer: &Printer) -> Result<Exit, CommandError> {
    let SandboxStart { data, in_memory, listen, ready_file, users, seed } = start;
    // Before anything is served: a signal that comes early must not be lost.
    let shutdown = on_signals()?;
    let builder = Tenant::builder().listen(listen).users(users).seed(seed);
    let builder = match in_memory {
        true => builder.in_memory(),
        false => builder.directory(data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA))),
    };
    let running = builder.start().await.map_err(|error| of_sandbox(&error))?;
    let ready = running.ready();
    if let Some(path) = &ready_file {
        write_ready_file(path, ready)?;
    }
    printer.json(ready)?;
    printer.result(summary(ready))?;
    printer.note("serving until a signal (Ctrl-C)");
    shutdown.drain.cancelled().await;
    printer.note("stopping");
    running.shutdown().await;
    if let Some(path) = &ready_file {
        // Nothing is ready any more; whoever polls for the file must not find the old one.
        _ = std::fs::remove_file(path);
    }
    Ok(Exit::Done)
}

/// A first signal asks to end well, a second one to end at once.
pub(crate) fn on_signals() -> Result<Shutdown, CommandError> {
    Shutdown::on_signals()
        .map_err(|cause| CommandError::new(Exit::Failed, "signals cannot be received").caused_by(&cause))
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
