//! The credentials that the configuration refers to.

mod reading;
mod source;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use unattended_core::Secret;
use unattended_identity::{self as identity, ClientCertificate, ClientSecret, WatchedCredential};

pub(crate) use self::reading::file_of;
use self::reading::{read, read_line};
use self::source::ConfiguredSource;
use crate::config::{Application, Credential, SecretMethod};
use crate::environment::Environment;
use crate::ports::Ports;

/// A credential that is ready to be used.
#[derive(Debug)]
pub(crate) enum Loaded {
    Certificate(ClientCertificate),
    Secret(ClientSecret),
}

impl Loaded {
    fn into_credential(self) -> Arc<dyn identity::Credential> {
        match self {
            Self::Certificate(certificate) => Arc::new(certificate),
            Self::Secret(secret) => Arc::new(secret),
        }
    }
}

/// One credential of the application, which follows what it is read from. It may not be readable now: then the error
/// says why, and the credential begins to work when it is.
pub(crate) fn watched(
    application: &Application,
    credential: &Credential,
    ports: &Ports,
) -> (Arc<dyn identity::Credential>, Result<(), CredentialError>) {
    let source = ConfiguredSource::new(application, credential, Arc::clone(&ports.environment));
    let watched = WatchedCredential::new(source);
    let readable = match watched.refresh() {
        Ok(()) => Ok(()),
        Err(_) => load(application, credential, &*ports.environment).map(drop),
    };
    (Arc::new(watched), readable)
}

/// Reads one credential of the application as it is now.
///
/// # Errors
/// It is not where the reference says, others may read it, or it is not what it should be.
pub(crate) fn load(
    application: &Application,
    credential: &Credential,
    environment: &dyn Environment,
) -> Result<Loaded, CredentialError> {
    let material = read_all(credential, environment)?;
    make(application, credential, &material).map_err(|error| {
        let remedy = match credential {
            Credential::Certificate(_) if error.to_string().contains("password") => {
                "let `password` of this credential refer to what protects the private key"
            }
            Credential::Certificate(_) => {
                "put the private key and its certificate into this one file, as PEM or PKCS#12"
            }
            Credential::Secret(_) => "write the secret's value (not its id), and nothing else, there",
        };
        CredentialError {
            message: format!("{credential} holds no usable credential"),
            remedy: error.remedy().unwrap_or(remedy).to_owned(),
            source: Some(Box::new(error)),
        }
    })
}

/// What stands behind each reference, in order.
fn read_all(credential: &Credential, environment: &dyn Environment) -> Result<Vec<Secret>, CredentialError> {
    match credential {
        // PKCS#12 is binary: its last byte may be one that ends a line elsewhere.
        Credential::Certificate(certificate) => {
            let password = certificate.password.as_ref().map(|password| read_line(password, environment));
            [Some(read(&certificate.file, environment)), password].into_iter().flatten().collect()
        }
        Credential::Secret(reference) => Ok(vec![read_line(reference, environment)?]),
    }
}

fn make(
    application: &Application,
    credential: &Credential,
    material: &[Secret],
) -> Result<Loaded, identity::Error> {
    let first = || material.first().ok_or_else(|| identity::Error::of_credential("nothing was read", None));
    match credential {
        Credential::Certificate(configured) => {
            let mut certificate = ClientCertificate::from_file(first()?, material.get(1))?;
            if let Some(algorithm) = configured.algorithm {
                certificate = certificate.with_algorithm(algorithm)?;
            }
            if configured.send_chain {
                certificate = certificate.sending_chain();
            }
            Ok(Loaded::Certificate(certificate))
        }
        Credential::Secret(_) => {
            let secret = ClientSecret::new(first()?.clone())?;
            Ok(Loaded::Secret(match application.token_endpoint_auth_method {
                Some(SecretMethod::ClientSecretBasic) => secret.with_method(identity::SecretMethod::Basic),
                Some(SecretMethod::ClientSecretPost) => secret.with_method(identity::SecretMethod::Post),
                None => secret,
            }))
        }
    }
}

/// Why a credential cannot be used, without any part of it.
#[derive(Debug)]
pub struct CredentialError {
    message: String,
    remedy: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CredentialError {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
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
