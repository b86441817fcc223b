//! `unattended register`: an application, its permissions, its credential and its configuration.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use unattended_core::{Clock, Secret, SystemClock};
use unattended_registration::{
    Certificate, Change, ChangeKind, Error, NewCredential, Permission, RegisteredCredential, Registrar,
    Registration, RegistrationRequest, Step, make_self_signed,
};

use crate::arguments::{ApiRole, Register};
use crate::configuration_file::{Application, ConfigurationFile};
use crate::directory::{DIRECTORY_API, Directory};
use crate::failure::{CommandError, Exit, explain};
use crate::files;
use crate::printer::{DIM, GOOD, Printer, styled};

/// Like the cloud's own certificates for applications: long enough to forget, so `doctor` watches it.
const CERTIFICATE_DAYS: u32 = 365;

/// What shall be registered, and where its configuration goes.
#[derive(Debug)]
pub(crate) struct Enrolment<'a> {
    pub(crate) name: &'a str,
    pub(crate) roles: &'a [ApiRole],
    pub(crate) credential: Credential<'a>,
    pub(crate) grant_admin_consent: bool,
}

/// How the application proves itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential<'a> {
    /// A PEM file with key and certificate.
    Certificate(&'a Path),
    /// As configured before.
    Keep,
    NewCertificate,
    NewSecret,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) registration: Registration,
    /// Where the credential is, if it was touched.
    pub(crate) credential_file: Option<PathBuf>,
    pub(crate) configuration_changed: bool,
}

pub(crate) async fn run(
    arguments: &Register,
    config: Option<&Path>,
    printer: &Printer,
) -> Result<Exit, CommandError> {
    let directory = match (&arguments.sandbox, &arguments.administrator) {
        (Some(ready_file), _) => Directory::of_sandbox(ready_file)?,
        (None, Some(configuration)) => Directory::of_configuration(configuration)?,
        (None, None) => {
            return Err(CommandError::new(Exit::Usage, "nobody is named who may administer the directory")
                .hint("add `--sandbox READY_FILE`, or `--administrator FILE` for a real tenant"));
        }
    };
    let mut file = ConfigurationFile::open(config.unwrap_or_else(|| Path::new("unattended.toml")))?;
    let credential = match (arguments.certificate.as_deref(), arguments.secret) {
        (Some("new"), _) => Credential::NewCertificate,
        (Some(path), _) => Credential::Certificate(Path::new(path)),
        (None, Some(_)) => Credential::NewSecret,
        (None, None) if file.has_credentials() => Credential::Keep,
        (None, None) => {
            return Err(CommandError::new(Exit::Usage, "the application has no credential yet")
                .hint("add `--certificate new`, or `--secret new` where a certificate is not possible"));
        }
    };
    let enrolment = Enrolment {
        name: &arguments.name,
        roles: &arguments.roles,
        credential,
        grant_admin_consent: arguments.grant_admin_consent,
    };
    let enrolled = enrol(&enrolment, &directory, &mut file).await?;
    printer.json(&enrolled.to_json(&file, &directory))?;
    for line in enrolled.lines(&file) {
        printer.result(line)?;
    }
    if !arguments.grant_admin_consent {
        printer.note("no permission is granted yet: the same command with `--grant-admin-consent` does that");
    }
    for role in arguments.roles.iter().filter(|role| !file.has_api(&role.api)) {
        printer.note(format_args!(
            "{} has no API for `{}` yet: add an [apis.NAME] table with its `base-url` and `scope`",
            file.path().display(),
            role.api
        ));
    }
    Ok(Exit::Done)
}

/// Registers and writes the configuration. Doing it again changes nothing.
pub(crate) async fn enrol(
    enrolment: &Enrolment<'_>,
    directory: &Directory,
    file: &mut ConfigurationFile,
) -> Result<Enrolled, CommandError> {
    let Enrolment { name, roles, credential, grant_admin_consent } = enrolment;
    let beside = unattended_files::directory_of(file.path()).to_owned();
    let permissions: Vec<Permission> = roles.iter().map(|role| permission(role, file)).collect();
    let registrar = Registrar::new(directory.client.clone());
    // A mistyped role must not leave a key behind.
    registrar.check(&permissions).await.map_err(failed)?;
    let (new_credential, credential_file) = prepare(*credential, name, &beside)?;
    let mut request = RegistrationRequest {
        display_name: (*name).to_owned(),
        permissions,
        credential: new_credential,
        grant_admin_consent: *grant_admin_consent,
    };
    let mut registration = registrar.register(&request).await.map_err(failed)?;
    let is_new = registration
        .changes
        .iter()
        .any(|change| change.step == Step::Application && change.kind == ChangeKind::Created);
    if is_new
        && matches!(credential, Credential::NewSecret)
        && matches!(request.credential, NewCredential::Keep)
    {
        // The secret in the file was another application's: a sandbox was emptied, or the application deleted.
        request.credential = new_secret();
        let again = registrar.register(&request).await.map_err(failed)?;
        registration.credential = again.credential;
        registration
            .changes
            .extend(again.changes.into_iter().filter(|change| change.step == Step::Credential));
    }
    if let (RegisteredCredential::Secret { value, .. }, Some(path)) =
        (&registration.credential, &credential_file)
    {
        files::write_private(path, value.expose())?;
    }
    let configuration_changed =
        configure(enrolment, directory, file, &registration, credential_file.as_deref())?;
    Ok(Enrolled { registration, credential_file, configuration_changed })
}

/// Makes or finds the credential's file. A new key is on the disk before its certificate is registered: a crash in
/// between must not leave a registered certificate without its key.
fn prepare(
    credential: Credential<'_>,
    name: &str,
    beside: &Path,
) -> Result<(NewCredential, Option<PathBuf>), CommandError> {
    let unusable = |error: Error| explain("the certificate cannot be used", &error);
    Ok(match credential {
        Credential::Keep => (NewCredential::Keep, None),
        Credential::Certificate(path) => {
            (NewCredential::ExistingCertificate(read(path)?), Some(path.to_owned()))
        }
        Credential::NewSecret => {
            let path = beside.join(format!("{}.secret", slug(name)));
            (if path.exists() { NewCredential::Keep } else { new_secret() }, Some(path))
        }
        Credential::NewCertificate => {
            let path = beside.join(format!("{}.pem", slug(name)));
            let pem = if path.exists() {
                let pem = read(&path)?;
                if Certificate::from_pem(&pem).map_err(unusable)?.not_after() < SystemClock.now() {
                    return Err(CommandError::new(
                        Exit::Refused,
                        format!("the certificate in {} has expired", path.display()),
                    )
                    .hint(format!("`mv {0} {0}.expired`, then the same command again", path.display())));
                }
                pem
            } else {
                let made = make_self_signed(name, SystemClock.now(), CERTIFICATE_DAYS).map_err(unusable)?;
                files::write_private(&path, made.pem.expose())?;
                made.pem
            };
            (NewCredential::ExistingCertificate(pem), Some(path))
        }
    })
}

fn configure(
    enrolment: &Enrolment<'_>,
    directory: &Directory,
    file: &mut ConfigurationFile,
    registration: &Registration,
    credential_file: Option<&Path>,
) -> Result<bool, CommandError> {
    let client_id = registration.client_id.as_str();
    if let Some(other) = file.client_id().filter(|known| *known != client_id) {
        return Err(CommandError::new(
            Exit::Configuration,
            format!("{} is the configuration of another application, {other}", file.path().display()),
        )
        .hint(format!(
            "`{}` is registered as {client_id}: remove the file, or write another one with `--config FILE`",
            enrolment.name
        )));
    }
    let kind = if matches!(enrolment.credential, Credential::NewSecret) { "secret" } else { "certificate" };
    file.set_application(&Application {
        client_id,
        tenant: &directory.tenant,
        authority: &directory.authority,
        ca_file: directory.ca_file.as_deref(),
        credential: credential_file.map(|path| (kind, path)),
    });
    if enrolment.roles.iter().any(|role| role.api == DIRECTORY_API) {
        file.set_api(DIRECTORY_API, &directory.base_url, &directory.scope);
    }
    for role in enrolment.roles.iter() {
        file.add_role(&role.api, &role.role);
    }
    file.save()
}

fn failed(error: Error) -> CommandError {
    let failure = explain("the application could not be registered", &error);
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

/// An API by its name in the configuration, or as it is.
fn permission(role: &ApiRole, file: &ConfigurationFile) -> Permission {
    let resource = if role.api == DIRECTORY_API { None } else { file.resource(&role.api) };
    Permission { resource: resource.unwrap_or(&role.api).to_owned(), role: role.role.clone() }
}

fn new_secret() -> NewCredential {
    NewCredential::NewSecret { display_name: "unattended register".to_owned() }
}

fn read(path: &Path) -> Result<Secret, CommandError> {
    fs::read(path).map(Secret::new).map_err(|cause| {
        CommandError::new(Exit::Configuration, format!("{} cannot be read", path.display())).caused_by(&cause)
    })
}

/// A file name out of a display name: letters, digits, dots and hyphens.
fn slug(name: &str) -> String {
    let kept = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
    let slug: String =
        name.trim().chars().map(|character| if kept(character) { character } else { '-' }).collect();
    let slug = slug.trim_matches(['.', '-']).to_owned();
    if slug.is_empty() { "application".to_owned() } else { slug }
}

impl Enrolled {
    pub(crate) fn changed(&self) -> bool {
        self.configuration_changed || self.registration.changed()
    }

    /// What happened, a line for each thing.
    pub(crate) fn lines(&self, file: &ConfigurationFile) -> Vec<String> {
        let mark = |changed| if changed { styled(GOOD, "+") } else { styled(DIM, "=") };
        let change = |change: &Change| format!("{} {change}", mark(change.kind != ChangeKind::Unchanged));
        let mut lines: Vec<String> = self.registration.changes.iter().map(change).collect();
        if let Some(path) = &self.credential_file {
            lines.push(format!("{} credential in {}", mark(self.registration.changed()), path.display()));
        }
        let state = if self.configuration_changed { "written" } else { "unchanged" };
        lines.push(format!("{} {} {state}", mark(self.configuration_changed), file.path().display()));
        lines
    }

    pub(crate) fn to_json(&self, file: &ConfigurationFile, directory: &Directory) -> serde_json::Value {
        json!({
            "client_id": self.registration.client_id.as_str(),
            "object_id": self.registration.object_id,
            "service_principal_id": self.registration.service_principal_id,
            "tenant": directory.tenant,
            "changed": self.changed(),
            "changes": self.registration.changes,
            "credential_file": self.credential_file,
            "configuration": file.path(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_becomes_a_file_name_that_stays_in_its_directory() {
        assert_eq!(slug("nightly people"), "nightly-people");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("야간 작업"), "야간-작업");
        assert_eq!(slug("///"), "application");
    }
}
