//! The credentials that the configuration refers to.

mod error;
mod load;
mod others;
pub(crate) mod protection;
mod reading;
mod source;

use std::sync::Arc;

use unattended_core::HttpClient;
use unattended_identity::{self as identity, WatchedCredential};

pub use self::error::CredentialError;
pub(crate) use self::load::{Loaded, load};
pub(crate) use self::reading::{file_of, read, read_line};
use self::source::ConfiguredSource;
use crate::config::{Application, Credential};
use crate::ports::Ports;

/// A credential that has been set up, as far as it could be.
pub(crate) struct SetUp {
    /// None if it can never work in this environment.
    pub(crate) credential: Option<Arc<dyn identity::Credential>>,
    /// Why it does not work now; what can still come begins to work when it does.
    pub(crate) problem: Option<CredentialError>,
}

/// One credential of the application, which follows what it is read from.
pub(crate) fn set_up(
    application: &Application,
    credential: &Credential,
    http: &Arc<dyn HttpClient>,
    ports: &Ports,
) -> SetUp {
    if !others::is_watched(credential) {
        return match others::assertion(credential, http, ports) {
            Ok(assertion) => {
                let problem = load(application, credential, &*ports.environment).err();
                SetUp { credential: Some(Arc::new(assertion)), problem }
            }
            Err(problem) => SetUp { credential: None, problem: Some(problem) },
        };
    }
    let source = ConfiguredSource::new(application, credential, http, ports);
    let watched = WatchedCredential::new(source);
    let problem = match watched.refresh() {
        Ok(()) => None,
        // Says the same again, with what mends it.
        Err(error) => Some(
            load(application, credential, &*ports.environment)
                .err()
                .unwrap_or_else(|| CredentialError::new(error.to_string(), "try again")),
        ),
    };
    SetUp { credential: Some(Arc::new(watched)), problem }
}
