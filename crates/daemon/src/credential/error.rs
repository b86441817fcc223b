//! A credential that cannot be used.

use std::error::Error;
use std::fmt;

/// Why a credential cannot be used, without any part of it.
#[derive(Debug)]
pub struct CredentialError {
    pub(super) message: String,
    pub(super) remedy: String,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl CredentialError {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into(), source: None }
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CredentialError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
