//! What the application proves itself with.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use unattended_core::Secret;

use crate::certificate::{Certificate, hexadecimal, make_self_signed};
use crate::change::{Change, ChangeKind, Step};
use crate::directory::{Application, Directory};
use crate::error::Error;
use crate::request::{NewCredential, RegistrationRequest};

/// The credential that a registration ends up with.
#[derive(Clone)]
#[non_exhaustive]
pub enum RegisteredCredential {
    /// A certificate is registered.
    Certificate {
        /// The certificate.
        certificate: Certificate,
        /// The private key and the certificate in one PEM text, if they were made just now: save them.
        new_pem: Option<Secret>,
    },
    /// Nothing was asked for.
    Kept,
    /// A secret was made: save it, the directory shows it only once.
    Secret {
        /// The secret.
        value: Secret,
        /// Its id in the directory.
        key_id: String,
        /// When it ends, as the directory writes it.
        ends: Option<String>,
    },
}

impl fmt::Debug for RegisteredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { certificate, .. } => f.debug_tuple("Certificate").field(certificate).finish(),
            Self::Kept => f.write_str("Kept"),
            Self::Secret { key_id, .. } => f.debug_tuple("Secret").field(key_id).finish(),
        }
    }
}

/// Gives the application the credential that was asked for.
pub(crate) async fn register(
    directory: &Directory,
    request: &RegistrationRequest,
    application: &Application,
    is_new: bool,
) -> Result<(RegisteredCredential, Change), Error> {
    let certificate = match &request.credential {
        NewCredential::Keep => {
            let change = Change::new(Step::Credential, ChangeKind::Unchanged, "credentials left as they are");
            return Ok((RegisteredCredential::Kept, change));
        }
        NewCredential::NewSecret { display_name } => {
            return add_secret(directory, display_name, application, is_new).await;
        }
        NewCredential::ExistingCertificate(pem) => (Certificate::from_pem(pem)?, None),
        NewCredential::NewCertificate { days } => {
            // An authority whose clock is a little behind must not see a certificate of the future.
            const SKEW: Duration = Duration::from_secs(300);
            let from = directory.clock.now() - SKEW;
            let made = make_self_signed(&request.display_name, from, *days)?;
            (made.certificate, Some(made.pem))
        }
    };
    let (certificate, new_pem) = certificate;
    let change = add_certificate(directory, &certificate, application, is_new).await?;
    Ok((RegisteredCredential::Certificate { certificate, new_pem }, change))
}

async fn add_secret(
    directory: &Directory,
    display_name: &str,
    application: &Application,
    is_new: bool,
) -> Result<(RegisteredCredential, Change), Error> {
    let password = directory
        .add_password(&application.id, display_name, is_new)
        .await
        .map_err(|error| Error::directory("the client secret could not be made", error))?;
    let until =
        password.end_date_time.as_deref().map_or_else(String::new, |end| format!(", valid until {end}"));
    let text = format!("client secret `{display_name}` created{until}");
    let credential = RegisteredCredential::Secret {
        value: Secret::from(password.secret_text),
        key_id: password.key_id,
        ends: password.end_date_time,
    };
    Ok((credential, Change::new(Step::Credential, ChangeKind::Created, text)))
}

/// Adds a certificate beside those that are there.
async fn add_certificate(
    directory: &Directory,
    certificate: &Certificate,
    application: &Application,
    is_new: bool,
) -> Result<Change, Error> {
    let shown = format!(
        "certificate {} valid until {}",
        &certificate.thumbprint_sha1()[..8],
        Timestamp::try_from(certificate.not_after())
            .map_or_else(|_| "the end of time".to_owned(), |end| end.to_string())
    );
    let mut keys = directory
        .key_credentials(&application.id, is_new)
        .await
        .map_err(|error| Error::directory("the certificates of the application could not be read", error))?;
    if keys.iter().any(|key| is_of(key, certificate)) {
        let text = format!("{shown} is registered already");
        return Ok(Change::new(Step::Credential, ChangeKind::Unchanged, text));
    }
    keys.push(entry(certificate)?);
    directory
        .update_application(&application.id, &json!({ "keyCredentials": keys }), is_new)
        .await
        .map_err(|error| Error::directory("the certificate could not be registered", error))?;
    Ok(Change::new(Step::Credential, ChangeKind::Created, format!("{shown} registered")))
}

/// Whether an entry is this certificate: by its bytes where the directory gives them, else by its thumbprint, which
/// some directories write in base64 and others in hexadecimal.
fn is_of(key: &Map<String, Value>, certificate: &Certificate) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if let Some(bytes) = text("key") {
        return STANDARD.decode(bytes).is_ok_and(|der| der == certificate.der());
    }
    let thumbprint = certificate.sha1();
    text("customKeyIdentifier").is_some_and(|identifier| {
        identifier.eq_ignore_ascii_case(&hexadecimal(&thumbprint))
            || identifier == STANDARD.encode(&thumbprint)
    })
}

fn entry(certificate: &Certificate) -> Result<Map<String, Value>, Error> {
    let time = |time| {
        Timestamp::try_from(time).map(|time| time.to_string()).map_err(|error| {
            Error::new("the certificate's validity cannot be written as a date").because(error)
        })
    };
    let fields = [
        ("type", "AsymmetricX509Cert".to_owned()),
        ("usage", "Verify".to_owned()),
        ("key", STANDARD.encode(certificate.der())),
        ("customKeyIdentifier", STANDARD.encode(certificate.sha1())),
        ("displayName", certificate.subject().to_owned()),
        ("startDateTime", time(certificate.not_before())?),
        ("endDateTime", time(certificate.not_after())?),
    ];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
}
