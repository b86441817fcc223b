//! The value behind a reference.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use unattended_core::Secret;
use unattended_files::open_regular;

use super::CredentialError;
use super::protection;
use crate::config::SecretReference;
use crate::environment::Environment;

/// A key with a long chain has a few KiB; a file beyond this is another file.
const LONGEST: u64 = 1 << 20;

/// The value behind a reference, byte by byte.
pub(crate) fn read(
    reference: &SecretReference,
    environment: &dyn Environment,
) -> Result<Secret, CredentialError> {
    not_empty(bytes(reference, environment)?, reference)
}

/// The value behind a reference, without the line break that editors put at the end.
pub(crate) fn read_line(
    reference: &SecretReference,
    environment: &dyn Environment,
) -> Result<Secret, CredentialError> {
    let mut bytes = bytes(reference, environment)?;
    if bytes.ends_with(b"\n") {
        bytes.truncate(bytes.len() - 1);
        if bytes.ends_with(b"\r") {
            bytes.truncate(bytes.len() - 1);
        }
    }
    not_empty(bytes, reference)
}

fn not_empty(bytes: Vec<u8>, reference: &SecretReference) -> Result<Secret, CredentialError> {
    if bytes.is_empty() {
        let remedy = "write the certificate with its key, or the secret's value, there";
        return Err(CredentialError::new(format!("{reference} is empty"), remedy));
    }
    Ok(Secret::new(bytes))
}

fn bytes(reference: &SecretReference, environment: &dyn Environment) -> Result<Vec<u8>, CredentialError> {
    match reference {
        SecretReference::File(path) => read_file(path, Protection::Demanded, environment),
        SecretReference::Systemd(name) => {
            read_file(&systemd_path(name, environment)?, Protection::BySystemd, environment)
        }
        SecretReference::Environment(name) => {
            environment.variable(name).map(String::into_bytes).ok_or_else(|| {
                CredentialError::new(
                    format!("the environment variable {name} is not set"),
                    format!("set {name} for the daemon, or better, use a file: `file:PATH`"),
                )
            })
        }
    }
}

/// The file of a credential, if it is one.
pub(crate) fn file_of(reference: &SecretReference) -> Option<&Path> {
    if let SecretReference::File(path) = reference { Some(path) } else { None }
}

/// Who sees to it that nobody else reads a file.
enum Protection {
    /// systemd does: what it passes is in memory, and its access list shows as a group mode.
    BySystemd,
    Demanded,
}

fn systemd_path(name: &str, environment: &dyn Environment) -> Result<PathBuf, CredentialError> {
    match environment.variable("CREDENTIALS_DIRECTORY") {
        Some(directory) => Ok(Path::new(&directory).join(name)),
        None => Err(CredentialError::new(
            format!("systemd passed no credentials, so there is no `{name}`"),
            format!(
                "add `LoadCredential={name}:/etc/unattended/{name}` to the unit and start it with systemctl"
            ),
        )),
    }
}

fn read_file(
    path: &Path,
    protection: Protection,
    environment: &dyn Environment,
) -> Result<Vec<u8>, CredentialError> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => format!("put it there, or correct the path: {shown} does not exist"),
            io::ErrorKind::PermissionDenied => protection::let_the_daemon_read(path, environment),
            _ => format!("check that {shown} is a file"),
        };
        CredentialError { message: format!("{shown} cannot be read"), remedy, source: Some(Box::new(error)) }
    };
    let file = open_regular(path).map_err(unreadable)?;
    // The mode of the open file and not of the path, which could be exchanged in between.
    let metadata = file.metadata().map_err(unreadable)?;
    if let (Protection::Demanded, Some(mode)) = (protection, protection::loose_mode(&metadata)) {
        return Err(CredentialError::new(
            format!("{shown} has mode {mode:04o}: others than its owner can read it"),
            protection::keep_others_away(path, environment),
        ));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(CredentialError::new(
            format!("{shown} is longer than 1 MiB"),
            "name the file of the credential",
        ));
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::environment::MapEnvironment;

    fn file(directory: &tempfile::TempDir, content: &str, mode: u32) -> PathBuf {
        let path = directory.path().join("client-secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn read_secret(
        reference: SecretReference,
        environment: &MapEnvironment,
    ) -> Result<String, CredentialError> {
        read_line(&reference, environment).map(|secret| secret.expose_text().unwrap().to_owned())
    }

    #[test]
    fn the_line_break_that_an_editor_adds_is_not_part_of_the_secret() {
        let directory = tempfile::tempdir().unwrap();
        for (content, secret) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s \n\n", " s \n")] {
            let path = file(&directory, content, 0o600);
            assert_eq!(read_secret(SecretReference::File(path), &MapEnvironment::default()).unwrap(), secret);
        }
    }

    // OP-3
    #[test]
    fn a_file_that_others_can_read_is_refused_with_its_mode_and_the_mend() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o604, 0o660, 0o620, 0o650, 0o601] {
            let path = file(&directory, "s3cret", mode);
            let error =
                read_secret(SecretReference::File(path.clone()), &MapEnvironment::default()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{} has mode {mode:04o}: others than its owner can read it", path.display())
            );
            assert_eq!(error.remedy(), format!("chmod 600 {}", path.display()));
        }
    }

    #[test]
    fn in_a_pod_the_mend_is_one_that_can_be_made_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory, "s3cret", 0o644);
        let pod = MapEnvironment::new([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        let error = read_secret(SecretReference::File(path), &pod).unwrap_err();
        assert_eq!(
            error.remedy(),
            "give the volume `defaultMode: 0440`, and the pod an `fsGroup` if its user is not root"
        );
    }

    #[test]
    fn a_pipe_that_nobody_writes_into_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success()
        );
        let error = read_secret(SecretReference::File(path.clone()), &MapEnvironment::default()).unwrap_err();
        assert_eq!(error.remedy(), format!("check that {} is a file", path.display()));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "it is a pipe, a socket or a device, and no file");
    }

    // OP-3
    #[test]
    fn a_systemd_credential_is_read_by_name_whatever_mode_its_access_list_shows() {
        let directory = tempfile::tempdir().unwrap();
        file(&directory, "s3cret", 0o440);
        let environment =
            MapEnvironment::new([("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())]);
        let reference = SecretReference::Systemd("client-secret".to_owned());
        assert_eq!(read_secret(reference.clone(), &environment).unwrap(), "s3cret");
        let error = read_secret(reference, &MapEnvironment::default()).unwrap_err();
        assert!(error.remedy().contains("LoadCredential=client-secret:"), "{}", error.remedy());
    }

    #[test]
    fn what_is_not_there_or_empty_is_said_without_a_guess() {
        let directory = tempfile::tempdir().unwrap();
        let environment = MapEnvironment::new([("APP_SECRET", "s3cret")]);
        let variable = |name: &str| SecretReference::Environment(name.to_owned());
        assert_eq!(read_secret(variable("APP_SECRET"), &environment).unwrap(), "s3cret");
        let error = read_secret(variable("OTHER"), &environment).unwrap_err();
        assert_eq!(error.to_string(), "the environment variable OTHER is not set");
        let missing = SecretReference::File(directory.path().join("none"));
        assert!(read_secret(missing, &environment).unwrap_err().remedy().contains("does not exist"));
        let empty = SecretReference::File(file(&directory, "\n", 0o600));
        assert!(read_secret(empty, &environment).unwrap_err().to_string().ends_with("is empty"));
    }
}
