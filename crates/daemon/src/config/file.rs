//! Finds and reads the file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{ConfigError, Mistake};

/// In this order, when no file is named.
const SEARCHED: [&str; 2] = ["unattended.toml", "/etc/unattended/unattended.toml"];

/// No configuration is near this long; a longer file is another file.
const LONGEST: u64 = 1 << 20;

/// The file that is in force and its text.
pub(super) fn read(explicit: Option<&Path>) -> Result<(PathBuf, String), ConfigError> {
    if let Some(path) = explicit {
        return match read_text(path) {
            Ok(text) => Ok((path.to_owned(), text)),
            Err(error) => Err(unreadable(path, &error)),
        };
    }
    for path in SEARCHED.map(Path::new) {
        match read_text(path) {
            Ok(text) => return Ok((path.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    let [here, system] = SEARCHED;
    Err(ConfigError::of_the_file(
        Path::new(here),
        Mistake::of_the_file(
            "there is no configuration",
            format!("neither ./{here} nor {system} exists"),
            "make one with `unattended register`, try everything with `unattended quickstart`, \
             or name a file with --config FILE",
        ),
    ))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 1 MiB"));
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8 text"))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "correct the path after --config".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!("let the daemon's user read it: `chgrp GROUP {0} && chmod 640 {0}`", path.display())
        }
        io::ErrorKind::InvalidData => "save it as UTF-8".to_owned(),
        _ => "name the right file with --config FILE".to_owned(),
    };
    ConfigError::of_the_file(
        path,
        Mistake::of_the_file("the configuration cannot be read", reason(error), fix),
    )
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "the file does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
