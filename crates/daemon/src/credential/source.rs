//! A configured credential as something that can change.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use unattended_core::{HttpClient, Secret};
use unattended_identity::{self as identity, CredentialSource};

use super::load::{Loaded, make, read_all};
use super::others;
use crate::config::{Application, Credential};
use crate::environment::Environment;

pub(super) struct ConfiguredSource {
    application: Application,
    credential: Credential,
    http: Arc<dyn HttpClient>,
    environment: Arc<dyn Environment>,
}

impl ConfiguredSource {
    pub(super) fn new(
        application: &Application,
        credential: &Credential,
        http: &Arc<dyn HttpClient>,
        environment: &Arc<dyn Environment>,
    ) -> Self {
        Self {
            application: application.clone(),
            credential: credential.clone(),
            http: Arc::clone(http),
            environment: Arc::clone(environment),
        }
    }
}

impl CredentialSource for ConfiguredSource {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn Error + Send + Sync>> {
        Ok(read_all(&self.credential, &*self.environment)?)
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn identity::Credential>, identity::Error> {
        if let Credential::AssertionUrl(configured) = &self.credential {
            return Ok(Arc::new(others::of_url(configured, material.first(), &self.http)?));
        }
        match make(&self.application, &self.credential, material)? {
            Loaded::Certificate(certificate) => Ok(Arc::new(certificate)),
            Loaded::Secret(secret) => Ok(Arc::new(secret)),
            Loaded::Assertion => Err(identity::Error::of_credential("nothing was read", None)),
        }
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
