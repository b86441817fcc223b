//! `unattended console`: the administrator's web page.

use std::sync::Arc;

use unattended_console::{Console as Page, ConsoleError};
use unattended_core::SystemClock;
use unattended_daemon::StatusReader;

use super::on_signals;
use crate::arguments::Console;
use crate::failure::{CommandError, Exit};
use crate::printer::Printer;

pub(crate) async fn run(
    arguments: &Console,
    reader: StatusReader,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    // Before anything is served: a signal that comes early must not be lost.
    let shutdown = on_signals()?;
    let page = Page::new(Arc::new(reader), Arc::new(SystemClock)).listen(arguments.listen);
    let running = page.start().await.map_err(|error| of_console(&error))?;
    let login_url = running.login_url().expose_text().unwrap_or_default();
    printer.json(&serde_json::json!({ "address": running.address(), "login_url": login_url }))?;
    printer.result(login_url)?;
    printer.note("open this address in a browser; it works once (Ctrl-C ends the console)");
    shutdown.drain.cancelled().await;
    running.shutdown().await;
    Ok(Exit::Done)
}

fn of_console(error: &ConsoleError) -> CommandError {
    let exit = if error.is_not_loopback() { Exit::Usage } else { Exit::Failed };
    let failure = CommandError::new(exit, "the console cannot start").caused_by(error);
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}
