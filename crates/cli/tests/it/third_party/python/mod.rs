//! Programs of Python.

mod api;
mod clients;
mod vault;

use std::process::Command;

use super::{installed, program};

/// A program of `tests/third-party/python`, run in the environment that `cargo xtask` made.
fn python(name: &str) -> Command {
    let mut command = Command::new(installed("venv/bin/python"));
    command.arg(program(&format!("python/{name}")));
    command
}
