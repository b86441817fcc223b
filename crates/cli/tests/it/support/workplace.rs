//! A folder of its own for one test, with our program in it.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Run, Sandbox};

/// The two jobs of the scenario. What the export reads is the same in every tenant: no identifiers, no dates.
const JOBS: &str = r#"
[jobs.people]
provision = { api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }

[jobs.users-export]
export = { api = "graph", read = "/users?$select=userPrincipalName,displayName,mail,department", to = "users.ndjson" }
"#;

/// A folder, and everything that our program printed in it.
pub(crate) struct Workplace {
    directory: TempDir,
    transcript: RefCell<Vec<u8>>,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), transcript: RefCell::default() }
    }

    /// A folder in which a daemon was registered in the sandbox, may read and write users, and proves itself
    /// with a new certificate.
    pub(crate) fn registered(sandbox: &Sandbox) -> Self {
        let workplace = Self::new();
        workplace.register(sandbox, &["--certificate", "new", "--grant-admin-consent"]).expect(0);
        workplace
    }

    /// Registers the daemon of these tests.
    pub(crate) fn register(&self, sandbox: &Sandbox, options: &[&str]) -> Run {
        let ready_file = sandbox.ready_file();
        let mut arguments = vec!["register", "people-sync", "--role", "graph:User.ReadWrite.All"];
        arguments.extend(options);
        arguments.extend(["--sandbox", ready_file.to_str().unwrap()]);
        self.run(&arguments)
    }

    /// Adds the jobs `people` and `users-export`, and this many people for the first.
    pub(crate) fn with_jobs(self, sandbox: &Sandbox, people: u32) -> Self {
        self.append_config(JOBS);
        let file = fs::File::create(self.path("people.csv")).unwrap();
        unattended_sandbox::people::write_csv(7, people, sandbox.ready("tenant_domain"), file).unwrap();
        self
    }

    pub(crate) fn append_config(&self, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(self.path("unattended.toml")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Changes the configuration, which must hold what is to be changed.
    #[track_caller]
    pub(crate) fn edit_config(&self, from: &str, to: &str) {
        let path = self.path("unattended.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in the configuration:\n{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub(crate) fn config(&self) -> toml::Table {
        let text = fs::read_to_string(self.path("unattended.toml")).unwrap();
        text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    pub(crate) fn client_id(&self) -> String {
        self.config()["application"]["client-id"].as_str().unwrap().to_owned()
    }

    /// The file of the first credential, of either kind.
    pub(crate) fn credential_file(&self) -> PathBuf {
        let config = self.config();
        let credential = config["application"]["credentials"][0].as_table().unwrap().clone();
        let reference = credential.get("certificate").or_else(|| credential.get("secret")).unwrap();
        self.path(reference.as_str().unwrap().strip_prefix("file:").unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        let mut transcript = self.transcript.borrow_mut();
        transcript.extend(&output.stdout);
        transcript.extend(&output.stderr);
        Run::new(arguments, output)
    }

    /// The program, ready to be started here with an environment that says nothing.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unattended"));
        command
            .args(arguments)
            .current_dir(self.directory())
            .env_clear()
            .env("HOME", self.directory())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Everything that was printed so far.
    pub(crate) fn transcript(&self) -> Vec<u8> {
        self.transcript.borrow().clone()
    }
}
