//! A configured credential as something that can change.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use unattended_core::{HttpClient, Secret};
use unattended_identity::{self as identity, CredentialSource, TlsIdentity};

use super::load::{Loaded, make, make_shown, read_all};
use super::others;
use crate::config::{Application, Credential};
use crate::network;
use crate::ports::Ports;

pub(super) struct ConfiguredSource {
    application: Application,
    credential: Credential,
    http: Arc<dyn HttpClient>,
    ports: Ports,
}

impl ConfiguredSource {
    pub(super) fn new(
        application: &Application,
        credential: &Credential,
        http: &Arc<dyn HttpClient>,
        ports: &Ports,
    ) -> Self {
        Self {
            application: application.clone(),
            credential: credential.clone(),
            http: Arc::clone(http),
            ports: ports.clone(),
        }
    }
}

impl CredentialSource for ConfiguredSource {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn Error + Send + Sync>> {
        Ok(read_all(&self.credential, &*self.ports.environment)?)
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn identity::Credential>, identity::Error> {
        match &self.credential {
            Credential::AssertionUrl(configured) => {
                return Ok(Arc::new(others::of_url(configured, material.first(), &self.http)?));
            }
            Credential::Certificate(configured) if configured.mutual_tls => {
                let connect = |shown: &TlsIdentity| network::showing(shown, &self.application, &self.ports);
                return Ok(Arc::new(make_shown(material, connect)?));
            }
            _ => {}
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
