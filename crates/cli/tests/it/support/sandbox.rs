//! A tenant in a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{end, wait_for_file};

/// A running sandbox; it ends with its value.
pub(crate) struct Sandbox {
    process: Child,
    directory: TempDir,
    options: Vec<String>,
    ready: Value,
}

impl Sandbox {
    pub(crate) fn in_memory() -> Self {
        Self::start(|_| vec!["--in-memory".to_owned()])
    }

    /// A tenant whose data is in files.
    pub(crate) fn on_disk() -> Self {
        Self::start(|directory| vec!["--data".to_owned(), directory.join("data").display().to_string()])
    }

    /// A tenant with people in it.
    pub(crate) fn with_users(count: u32) -> Self {
        Self::start(|_| vec!["--in-memory".to_owned(), format!("--users={count}"), "--seed=7".to_owned()])
    }

    /// The same, which fetches the keys of other issuers that a CA certifies.
    pub(crate) fn trusting(count: u32, ca: &Path) -> Self {
        let ca = format!("--trust-issuer-ca={}", ca.display());
        Self::start(|_| vec!["--in-memory".to_owned(), format!("--users={count}"), "--seed=7".to_owned(), ca])
    }

    fn start(options: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = options(directory.path());
        let (process, ready) = serve(directory.path(), &options);
        Self { process, directory, options, ready }
    }

    /// Kills the process and starts another one on the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        // One that was killed had no time to take it away.
        let _ = std::fs::remove_file(self.ready_file());
        (self.process, self.ready) = serve(self.directory.path(), &self.options);
    }

    /// Ends the process and keeps its files.
    pub(crate) fn stop(&mut self) {
        end(&mut self.process);
    }

    /// The file that `--sandbox` takes.
    pub(crate) fn ready_file(&self) -> PathBuf {
        self.directory.path().join("ready.json")
    }

    /// One member of the ready file.
    #[track_caller]
    pub(crate) fn ready(&self, member: &str) -> &str {
        self.ready[member]
            .as_str()
            .unwrap_or_else(|| panic!("the ready file has no {member}: {}", self.ready))
    }

    /// The administrator's secret, for looking whether it is anywhere else.
    pub(crate) fn administrator_secret(&self) -> (PathBuf, String) {
        let file = PathBuf::from(self.ready["administrator"]["secret_file"].as_str().unwrap());
        let secret = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        (file, secret)
    }

    pub(crate) fn administrator_client_id(&self) -> String {
        self.ready["administrator"]["client_id"].as_str().unwrap().to_owned()
    }

    /// The folder of its data and its log.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The folder of the data of a tenant in files.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

/// Starts a sandbox, and waits until it accepts connections.
fn serve(directory: &Path, options: &[String]) -> (Child, Value) {
    let ready_file = directory.join("ready.json");
    let log = directory.join("sandbox.log");
    let output = File::create(&log).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_unattended"))
        .args(["sandbox", "start", "--ready-file"])
        .arg(&ready_file)
        .args(options)
        .current_dir(directory)
        // A killed process leaves its temporary files; here they go with the rest.
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let ready = wait_for_file(&ready_file, &mut process, &log);
    (process, serde_json::from_str(&ready).unwrap())
}

impl Drop for Sandbox {
    #[expect(clippy::print_stderr, reason = "a test that fails shows what the other side has to say")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("sandbox.log")).unwrap_or_default();
            eprintln!("--- the sandbox (ended: {:?})\n{log}", self.process.try_wait());
        }
        self.stop();
    }
}
