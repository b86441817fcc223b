//! Whether the processes of one application hold each other back when an API asks for that.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::config::{Application, Config};
use crate::environment::MapEnvironment;

const CHECK: &str = "throttling";

/// Looks at the other processes of this program and of this user that use another configuration. Where processes cannot
/// be looked at, it says so.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let here = &config.application;
    let Ok(processes) = fs::read_dir("/proc") else {
        return vec![Finding::skipped(CHECK, "this system does not show which processes there are")];
    };
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let apart: Vec<Finding> = numbers
        .filter(|process| *process != std::process::id())
        .filter_map(|process| {
            let other = configuration_of(process)?;
            let directory = &other.application.state_directory;
            let is_apart = is_same(here, &other.application) && !is_shared(&here.state_directory, directory);
            is_apart.then(|| told(process, directory, &here.state_directory))
        })
        .collect();
    if !apart.is_empty() {
        return apart;
    }
    let directory = here.state_directory.display();
    vec![Finding::ok(CHECK, format!("shared by all processes that use {directory}"))]
}

fn told(process: u32, theirs: &Path, ours: &Path) -> Finding {
    Finding::warning(
        CHECK,
        format!("process {process} is the same application and keeps its state in {}", theirs.display()),
        "when an API asks one of them to wait, the other goes on and is charged against the same quota",
        format!("write the same `state-directory` for both, such as \"{}\"", ours.display()),
    )
}

fn is_same(one: &Application, other: &Application) -> bool {
    one.client_id == other.client_id
        && one.authority.url() == other.authority.url()
        && one.authority.tenant() == other.authority.tenant()
}

/// One that does not exist yet is compared by its name.
fn is_shared(one: &Path, other: &Path) -> bool {
    let known = |path: &Path| {
        fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
    };
    known(one) == known(other)
}

/// The configuration of a process, if it is one of this program that calls APIs.
fn configuration_of(process: u32) -> Option<Config> {
    let about = PathBuf::from(format!("/proc/{process}"));
    let line = fs::read(about.join("cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = Path::new(words.next()?).file_name()?.to_owned();
    let words: Vec<&OsStr> = words.collect();
    let calls = words.iter().any(|word| ["call", "run", "sidecar"].iter().any(|verb| word == verb));
    if program != "unattended" || !calls {
        return None;
    }
    let directory = fs::read_link(about.join("cwd")).ok()?;
    let named = words.iter().enumerate().find_map(|(at, word)| match word.to_str()? {
        "--config" => words.get(at + 1).map(PathBuf::from),
        word => word.strip_prefix("--config=").map(PathBuf::from),
    });
    let candidates = match named {
        Some(path) => vec![directory.join(path)],
        None => vec![directory.join("unattended.toml"), PathBuf::from("/etc/unattended/unattended.toml")],
    };
    let file = candidates.into_iter().find(|path| path.exists())?;
    // Of its variables the one that says where its state is.
    let environment = fs::read(about.join("environ")).unwrap_or_default();
    let state = environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"STATE_DIRECTORY="));
    let state = state.map(|value| ("STATE_DIRECTORY", String::from_utf8_lossy(value)));
    Config::load(Some(&file), &MapEnvironment::new(state)).ok()
}
