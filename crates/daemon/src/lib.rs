//! Reads `unattended.toml`, builds everything it names, and runs it.
//!
//! * [`Config::load`] finds the file and checks it; a [`ConfigError`] shows every mistake with its line, a caret, the
//!   cause and the mend.
//! * [`Daemon::build`] puts network, application, APIs, jobs and state together.
//! * [`run_scheduled`] runs the schedules until [`Shutdown`] is asked for.
//! * [`StatusReader`] tells how the jobs do, to whoever shows it.
//! * [`doctor::examine`] looks at all of that piece by piece and says what is wrong and what mends it.
//!
//! It knows what the parts are, and nothing of how a token is made or a page is read.

mod assemble;
mod build;
pub mod config;
mod credential;
pub mod doctor;
mod environment;
mod error;
mod ledger;
mod network;
mod ports;
mod run;
mod service_manager;
#[cfg(unix)]
mod sidecar;
mod signals;
mod status;

pub use crate::build::Daemon;
pub use crate::config::{Config, ConfigError};
pub use crate::credential::CredentialError;
pub use crate::environment::{Environment, MapEnvironment, ProcessEnvironment};
pub use crate::error::{BuildError, ExitClass};
pub use crate::ports::Ports;
pub use crate::run::run_scheduled;
pub use crate::signals::Shutdown;
pub use crate::status::StatusReader;
