//! Programs of Node.

mod authority;
mod bound;
mod clients;

use std::process::Command;

pub(super) use self::authority::Outside;
use super::{packages, program};

/// A program of `tests/third-party/node`, which finds its packages where `cargo xtask` installed them.
fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(program(&format!("node/{name}"))).env("UNATTENDED_THIRD_PARTY", packages());
    command
}
