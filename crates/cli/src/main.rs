//! `unattended`: run work that no user watches.
//!
//! This crate parses arguments, calls the house below, and prints. One file per verb in [`commands`]; what goes to
//! standard output and what to standard error is decided in [`printer`], what a failure reads like and which code the
//! process ends with in [`failure`].

mod arguments;
mod commands;
mod configuration_file;
mod directory;
mod failure;
mod files;
mod logging;
mod printer;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::failure::Exit;
use crate::printer::Printer;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help_or_usage) => return usage(&help_or_usage),
    };
    let printer = Printer::new(&arguments.output);
    logging::start(&arguments.output);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            printer.failure(
                &failure::CommandError::new(Exit::Failed, "the runtime cannot start").caused_by(&cause),
            );
            return Exit::Failed.into();
        }
    };
    let exit = match runtime.block_on(commands::run(arguments, &printer)) {
        Ok(exit) => exit,
        Err(failure) => {
            printer.failure(&failure);
            failure.exit()
        }
    };
    // A task that still waits for the network must not hold the process back.
    runtime.shutdown_background();
    exit.into()
}

/// Prints help, version or what is wrong with the arguments. A reader that goes away is no failure.
fn usage(message: &clap::Error) -> ExitCode {
    _ = message.print();
    if message.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
