//! `unattended sidecar`: lends calls to local programs in any language.

use unattended_daemon::Daemon;

use crate::arguments::Sidecar;
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

#[cfg(unix)]
pub(crate) async fn run(
    arguments: &Sidecar,
    daemon: &Daemon,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    use unattended_sidecar::{Access, Socket};

    use crate::failure::explain;
    use crate::printer::{BOLD, styled};

    // Before anything is served: a signal that comes early must not be lost.
    let shutdown = super::on_signals()?;
    let sidecar = daemon.sidecar().map_err(|error| explain("the sidecar cannot be built", &error))?;
    let access = if arguments.group_access { Access::Group } else { Access::Owner };
    let socket = Socket::bind(&arguments.socket, access).map_err(|error| {
        CommandError::new(Exit::Failed, "the sidecar cannot start").caused_by(&error).hint(error.remedy())
    })?;

    let apis: Vec<&str> = sidecar.apis().collect();
    let mut callers: Vec<u32> = sidecar.policy().grants().iter().map(|grant| grant.uid).collect();
    callers.sort_unstable();
    callers.dedup();
    let mode = format!("{:04o}", access.mode());
    printer.json(
        &serde_json::json!({ "socket": arguments.socket, "mode": mode, "apis": apis, "callers": callers }),
    )?;
    let uids: Vec<String> = callers.iter().map(|uid| format!("uid {uid}")).collect();
    let rows = [
        ("socket", format!("{} (mode {mode})", arguments.socket.display())),
        ("apis", if apis.is_empty() { "none".to_owned() } else { apis.join(", ") }),
        ("callers", if uids.is_empty() { "none".to_owned() } else { uids.join(", ") }),
    ];
    let lines = rows.map(|(name, value)| format!("{} {value}", styled(BOLD, format_args!("{name:<8}"))));
    printer.result(lines.join("\n"))?;
    printer.note("serving until a signal (Ctrl-C)");
    let draining = async {
        shutdown.drain.cancelled().await;
        printer.note("stopping");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // Looked at first: an idle sidecar ends in the same moment.
        biased;
        () = draining => {}
        () = sidecar.serve(socket, shutdown.drain.clone(), shutdown.stop.clone()) => {}
    }
    Ok(Exit::Done)
}

/// Who calls can be told on a Unix socket alone.
#[cfg(not(unix))]
pub(crate) async fn run(_: &Sidecar, _: &Daemon, _: &Printer) -> Result<Exit, CommandError> {
    Err(CommandError::new(Exit::Failed, "the sidecar needs Unix sockets, which tell who calls"))
}
