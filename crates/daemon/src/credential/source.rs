//! A configured credential as something that can change.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use unattended_core::Secret;
use unattended_identity::{self as identity, CredentialSource};

use super::{make, read_all};
use crate::config::{Application, Credential};
use crate::environment::Environment;

pub(super) struct ConfiguredSource {
    application: Application,
    credential: Credential,
    environment: Arc<dyn Environment>,
}

impl ConfiguredSource {
    pub(super) fn new(
        application: &Application,
        credential: &Credential,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self { application: application.clone(), credential: credential.clone(), environment }
    }
}

impl CredentialSource for ConfiguredSource {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn Error + Send + Sync>> {
        Ok(read_all(&self.credential, &*self.environment)?)
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn identity::Credential>, identity::Error> {
        make(&self.application, &self.credential, material).map(super::Loaded::into_credential)
    }

    fn describe(&self) -> String {
        self.credential.to_string()
    }
}

impl fmt::Debug for ConfiguredSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredSource").field(&self.describe()).finish()
    }
}
