//! Reads `unattended.toml`, builds everything it names, and runs it.

mod config;
mod environment;
mod error;

pub use crate::config::*;
pub use crate::environment::{Environment, MapEnvironment, ProcessEnvironment};
pub use crate::error::ExitClass;
