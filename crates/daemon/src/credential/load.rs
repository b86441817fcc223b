//! Credentials as they are now.

use std::sync::Arc;

use unattended_core::{HttpClient, Secret};
use unattended_identity::{
    self as identity, ClientCertificate, ClientSecret, SignerCommand, TlsClientCertificate, TlsIdentity,
};

use super::CredentialError;
use super::others;
use super::reading::{read, read_line};
use crate::config::{Application, Certificate, Credential, Pkcs11, SecretMethod, Signer};
use crate::environment::Environment;
use crate::error::BuildError;

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
            look_for_module(credential)?;
            make(application, credential, &material).map_err(|error| unusable(credential, error))
        }
        _ => others::examine(credential, environment).map(|()| Loaded::Assertion),
    }
}

/// The module of a token is loaded with the first signature, which is late to learn that it is not there.
fn look_for_module(credential: &Credential) -> Result<(), CredentialError> {
    match credential {
        Credential::Certificate(Certificate {
            signer: Some(Signer::Module(Pkcs11 { module, .. })), ..
        }) => match std::fs::metadata(module) {
            Ok(_) => Ok(()),
            Err(error) => Err(CredentialError {
                message: format!("the PKCS#11 module {} cannot be found", module.display()),
                remedy: "install what speaks to the token, or correct `module`".to_owned(),
                source: Some(Box::new(error)),
            }),
        },
        _ => Ok(()),
    }
}

fn unusable(credential: &Credential, error: identity::Error) -> CredentialError {
    let remedy = match credential {
        Credential::Certificate(certificate) if certificate.signer.is_some() => {
            error.remedy().unwrap_or("put the certificate alone, in PEM, into this file")
        }
        Credential::Certificate(_) if error.to_string().contains("password") => {
            "let `password` of this credential refer to what protects the private key"
        }
        Credential::Certificate(_) => error
            .remedy()
            .unwrap_or("put the private key and its certificate into this one file, as PEM or PKCS#12"),
        _ => "write the secret's value (not its id), and nothing else, there",
    };
    CredentialError {
        message: format!("{credential} holds no usable credential"),
        remedy: remedy.to_owned(),
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
            let others = credential.references().into_iter().skip(1);
            std::iter::once(read(&certificate.file, environment))
                .chain(others.map(|other| read_line(other, environment)))
                .collect()
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
        Some(Signer::Command(argv)) => {
            ClientCertificate::with_signer(first, Arc::new(SignerCommand::new(argv)?))?
        }
        Some(Signer::Module(module)) => {
            ClientCertificate::with_signer(first, of_module(module, material.get(1))?)?
        }
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

/// A certificate that is shown on connections of its own, which `connect` makes.
pub(super) fn make_shown(
    material: &[Secret],
    connect: impl FnOnce(&TlsIdentity) -> Result<Arc<dyn HttpClient>, BuildError>,
) -> Result<TlsClientCertificate, identity::Error> {
    let first = material.first().ok_or_else(|| identity::Error::of_credential("nothing was read", None))?;
    TlsClientCertificate::from_file(first, material.get(1), |shown| Ok(connect(shown)?))
}

#[cfg(feature = "pkcs11")]
fn of_module(module: &Pkcs11, pin: Option<&Secret>) -> Result<Arc<dyn identity::Signer>, identity::Error> {
    let pin = pin.cloned().unwrap_or_else(|| Secret::from(""));
    let Pkcs11 { module, token, key, .. } = module;
    Ok(Arc::new(identity::Pkcs11Signer::new(module, token, key, pin)?))
}

#[cfg(not(feature = "pkcs11"))]
fn of_module(_: &Pkcs11, _: Option<&Secret>) -> Result<Arc<dyn identity::Signer>, identity::Error> {
    Err(identity::Error::of_credential("this build has no PKCS#11 (feature `pkcs11`)", None))
}
