//! One file per verb.

mod call;
mod console;
mod doctor;
mod explain;
#[cfg(feature = "sandbox")]
mod quickstart;
mod reference;
mod register;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod sidecar;
mod status;
mod token;

use std::path::Path;

use clap::CommandFactory;
use unattended_daemon::{Config, Daemon, Ports, ProcessEnvironment, Shutdown, StatusReader};

use crate::arguments::{Arguments, Verb};
use crate::failure::{CommandError, Exit, explain, of_config};
use crate::printer::Printer;

pub(crate) async fn run(arguments: Arguments, printer: &Printer) -> Result<Exit, CommandError> {
    let Arguments { config, verb, .. } = arguments;
    let config = config.as_deref();
    match verb {
        #[cfg(feature = "sandbox")]
        Verb::Quickstart(quickstart) => quickstart::run(&quickstart, printer).await,
        #[cfg(feature = "sandbox")]
        Verb::Sandbox(sandbox) => sandbox::run(sandbox, printer).await,
        #[cfg(not(feature = "sandbox"))]
        Verb::Sandbox { .. } => {
            Err(CommandError::new(Exit::Usage, "this program was built without the sandbox")
                .hint("use one that was built with it: `cargo build --release -p unattended`"))
        }
        Verb::Register(register) => register::run(&register, config, printer).await,
        Verb::Token(token) => {
            with_daemon(config, async |daemon| token::run(&token, daemon, printer).await).await
        }
        Verb::Call(call) => with_daemon(config, async |daemon| call::run(&call, daemon, printer).await).await,
        Verb::Run(run) => with_daemon(config, async |daemon| run::run(&run, daemon, printer).await).await,
        Verb::Sidecar(sidecar) => {
            with_daemon(config, async |daemon| sidecar::run(&sidecar, daemon, printer).await).await
        }
        Verb::Status => status::run(&status_reader(config)?, printer).await,
        Verb::Console(console) => console::run(&console, status_reader(config)?, printer).await,
        Verb::Doctor => doctor::run(config, printer).await,
        Verb::Explain(explain) => explain::run(&explain, printer),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "unattended", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Verb::Reference { page } => reference::run(page, printer),
    }
}

/// Gives a verb everything that the configuration names, built, and ends no sooner than the token store has what the verb
/// acquired: the next process finds it there.
async fn with_daemon(
    config: Option<&Path>,
    verb: impl AsyncFnOnce(&Daemon) -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    let daemon = Daemon::build(load(config)?, Ports::of_the_machine())
        .map_err(|error| explain("the configuration cannot be used", &error))?;
    let exit = verb(&daemon).await;
    daemon.application().store_settled().await;
    exit
}

/// Who tells how the jobs do, whether or not they could run.
fn status_reader(config: Option<&Path>) -> Result<StatusReader, CommandError> {
    Ok(StatusReader::new(load(config)?, Ports::of_the_machine()))
}

fn load(config: Option<&Path>) -> Result<Config, CommandError> {
    Config::load(config, &ProcessEnvironment).map_err(|error| of_config(&error))
}

/// A first signal asks to end well, a second one to end at once.
fn on_signals() -> Result<Shutdown, CommandError> {
    Shutdown::on_signals()
        .map_err(|cause| CommandError::new(Exit::Failed, "signals cannot be received").caused_by(&cause))
}
