//! Who else can read or change what the daemon relies on.

use std::fs::Metadata;
use std::path::Path;

use super::finding::Finding;
use crate::config::Config;
use crate::credential::{self, protection};
use crate::environment::Environment;

const CHECK: &str = "files";

pub(super) fn examine(config: &Config, environment: &dyn Environment) -> Vec<Finding> {
    let mut findings = vec![configuration(&config.file)];
    let application = &config.application;
    let references = application.credentials.iter().flat_map(|each| each.references());
    let references = references.chain(application.token_store.iter().flat_map(|store| store.references()));
    let files = references.filter_map(credential::file_of);
    findings.extend(files.filter_map(|file| credential_file(file, environment)));
    findings.push(state_directory(&config.application.state_directory));
    findings
}

fn configuration(path: &Path) -> Finding {
    let shown = path.display();
    let finding = match std::fs::metadata(path) {
        Ok(metadata) if mode(&metadata).is_some_and(|mode| mode & 0o002 != 0) => Finding::failed(
            CHECK,
            format!("everyone can change it ({})", octal(&metadata)),
            "whoever changes it decides where the application's tokens are sent",
            format!("chmod o-w {shown}"),
        ),
        Ok(metadata) => Finding::ok(CHECK, format!("the configuration has {}", octal(&metadata))),
        Err(error) => Finding::failed(
            CHECK,
            "the configuration is gone",
            error.to_string(),
            format!("put it back at {shown}"),
        ),
    };
    finding.about(shown.to_string())
}

/// What is missing or no file is the credential check's to tell; the mode of a device is not this program's to change.
fn credential_file(path: &Path, environment: &dyn Environment) -> Option<Finding> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    let finding = if protection::loose_mode(&metadata).is_some() {
        Finding::failed(
            CHECK,
            format!("others than its owner can read the credential ({})", octal(&metadata)),
            "whoever reads it can act as the application; a file with this mode is refused",
            protection::keep_others_away(path, environment),
        )
    } else {
        Finding::ok(CHECK, format!("the credential has {}", octal(&metadata)))
    };
    Some(finding.about(shown.to_string()))
}

fn state_directory(path: &Path) -> Finding {
    let shown = path.display();
    let finding = match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Finding::failed(
            CHECK,
            "the state directory is a file",
            "runs and checkpoints are kept in a directory",
            "name a directory in `state-directory`",
        ),
        Ok(metadata) if mode(&metadata).is_some_and(|mode| mode & 0o077 != 0) => Finding::warning(
            CHECK,
            format!("others can look into the state directory ({})", octal(&metadata)),
            "checkpoints hold links and the names of people",
            format!("chmod 700 {shown}"),
        ),
        Ok(metadata) if metadata.permissions().readonly() => Finding::failed(
            CHECK,
            "the state directory cannot be written to",
            "without it no run could go on after a stop",
            format!("chmod 700 {shown}"),
        ),
        Ok(metadata) => Finding::ok(CHECK, format!("the state directory has {}", octal(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::ok(CHECK, "the state directory is made at the first run")
        }
        Err(error) => Finding::failed(
            CHECK,
            "the state directory cannot be looked at",
            error.to_string(),
            format!("make the daemon's user its owner: `chown USER {shown}`"),
        ),
    };
    finding.about(shown.to_string())
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}

fn octal(metadata: &Metadata) -> String {
    mode(metadata).map_or_else(|| "no mode".to_owned(), |mode| format!("mode {mode:04o}"))
}
