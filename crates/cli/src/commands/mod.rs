//! One file per verb.

mod call;
mod console;
mod doctor;
mod explain;
mod quickstart;
mod reference;
mod register;
mod run;
mod sandbox;
mod sidecar;
mod status;
mod token;

use std::path::Path;

use clap::CommandFactory;
use unattended_daemon::{Config, Daemon, Ports, ProcessEnvironment, StatusReader};

use crate::arguments::{Arguments, Verb};
use crate::failure::{CommandError, Exit, explain, of_config};
use crate::printer::Printer;

pub(crate) async fn run(arguments: Arguments, printer: &Printer) -> Result<Exit, CommandError> {
    let Arguments { config, verb, .. } = arguments;
    let config = config.as_deref();
    match verb {
        Verb::Quickstart(quickstart) => quickstart::run(&quickstart, printer).await,
        Verb::Sandbox(sandbox) => sandbox::run(sandbox, printer).await,
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
