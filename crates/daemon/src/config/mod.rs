//! `unattended.toml`: found, read, checked, and every mistake shown at once.

mod address;
mod api;
mod application;
mod cloud;
mod credential;
mod diagnostic;
mod file;
mod from_environment;
mod job;
mod model;
mod pkcs11;
mod reader;
mod reference;
mod referred;
mod root;
mod sidecar;
mod suggestion;
mod syntax;
mod token_parameters;
mod token_store;

use std::path::Path;

use crate::environment::Environment;

pub use self::diagnostic::{ConfigError, Diagnostic};
pub use self::model::{
    Api, Application, AssertionUrl, Authority, Certificate, Config, Credential, Job, ManagedIdentity, Pkcs11,
    SecretMethod, Sidecar, Signer, TokenBinding, TokenStore, TokenStorePlace, Work,
};
pub use self::reference::SecretReference;
pub(crate) use self::suggestion::nearest;

impl Config {
    /// Reads the file named by `explicit`; without one, `./unattended.toml` or else
    /// `/etc/unattended/unattended.toml`. Nothing is sent, and no secret is read.
    ///
    /// # Errors
    /// No file, an unreadable one, or one with mistakes: all of them.
    pub fn load(explicit: Option<&Path>, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let (path, text) = file::read(explicit)?;
        Self::parse(&path, &text, environment)
    }

    /// Checks a text as if it were the content of `path`; relative paths in it start at the directory of `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(path: &Path, text: &str, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let mut mistakes = diagnostic::Mistakes::default();
        let config = syntax::table(text, &mut mistakes)
            .and_then(|table| root::config(path, table.get_ref(), environment, &mut mistakes));
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(mistakes.into_error(path, text)),
        }
    }
}
