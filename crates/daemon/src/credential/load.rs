//! Credentials as they are now.

use std::sync::Arc;

use unattended_core::Secret;
use unattended_identity::{self as identity, ClientCertificate, ClientSecret, SignerCommand};

use super::CredentialError;
use super::others;
use super::reading::{read, read_line};
use crate::config::{Application, Credential, SecretMethod};
use crate::environment::Environment;

/// A credential that could be used now.
#[derive(Debug)]
pub(crate) enum Loaded {
    Certificate(ClientCertificate),
    Secret(ClientSecret),
    /// Somebody else signs for the application.
    Assertion,
}

/// Looks at one credential of the application as it is now. Nothing is asked and no program is run.
///
/// # Errors
/// It is not where the reference says, others may read it, or it is not what it should be.
pub(crate) fn load(
    application: &Application,
    credential: &Credential,
    environment: &dyn Environment,
) -> Result<Loaded, CredentialError> {
    let material = read_all(credential, environment)?;
    match credential {
        Credential::Certificate(_) | Credential::Secret(_) => {
            make(application, credential, &material).map_err(|error| unusable(credential, error))
        }
        _ => others::examine(credential, environment).map(|()| Loaded::Assertion),
    }
}

fn unusable(credential: &Credential, error: identity::Error) -> CredentialError {
    let remedy = match credential {
        Credential::Certificate(certificate) if certificate.signer.is_some() => {
            "put the certificate alone, in PEM, into this file"
        }
        Credential::Certificate(_) if error.to_string().contains("password") => {
            "let `password` of this credential refer to what protects the private key"
        }
        Credential::Certificate(_) => {
            "put the private key and its certificate into this one file, as PEM or PKCS#12"
        }
        _ => "write the secret's value (not its id), and nothing else, there",
    };
    CredentialError {
        message: format!("{credential} holds no usable credential"),
        remedy: error.remedy().unwrap_or(remedy).to_owned(),
        source: Some(Box::new(error)),
    }
}

/// What stands behind each reference, in order.
pub(super) fn read_all(
    credential: &Credential,
    environment: &dyn Environment,
) -> Result<Vec<Secret>, CredentialError> {
    match credential {
        // PKCS#12 is binary: its last byte may be one that ends a line elsewhere.
        Credential::Certificate(certificate) => {
            let password = certificate.password.as_ref().map(|password| read_line(password, environment));
            [Some(read(&certificate.file, environment)), password].into_iter().flatten().collect()
        }
        other => other.references().into_iter().map(|reference| read_line(reference, environment)).collect(),
    }
}

/// A certificate or a secret of what was read.
pub(super) fn make(
    application: &Application,
    credential: &Credential,
    material: &[Secret],
) -> Result<Loaded, identity::Error> {
    let first = material.first().ok_or_else(|| identity::Error::of_credential("nothing was read", None))?;
    let Credential::Certificate(configured) = credential else {
        let secret = ClientSecret::new(first.clone())?;
        return Ok(Loaded::Secret(match application.token_endpoint_auth_method {
            Some(SecretMethod::ClientSecretBasic) => secret.with_method(identity::SecretMethod::Basic),
            Some(SecretMethod::ClientSecretPost) => secret.with_method(identity::SecretMethod::Post),
            None => secret,
        }));
    };
    let mut certificate = match &configured.signer {
        Some(argv) => ClientCertificate::with_signer(first, Arc::new(SignerCommand::new(argv)?))?,
        None => ClientCertificate::from_file(first, material.get(1))?,
    };
    if let Some(algorithm) = configured.algorithm {
        certificate = certificate.with_algorithm(algorithm)?;
    }
    if configured.send_chain {
        certificate = certificate.sending_chain();
    }
    Ok(Loaded::Certificate(certificate))
}
