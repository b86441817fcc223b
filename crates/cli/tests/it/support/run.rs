//! One run of the program, and what it printed.

use std::fmt::{self, Display};
use std::process::Output;

use serde_json::Value;

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    command: String,
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(arguments: &[&str], output: Output) -> Self {
        Self {
            command: format!("unattended {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The run, if it ended with this exit code; otherwise the test fails and shows all that was printed.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON document: {error}\n{self}"))
    }

    /// The JSON documents on standard output, one a line.
    #[track_caller]
    pub(crate) fn ndjson(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Fails the test unless the run told its reader each of these, in whatever case.
    #[track_caller]
    pub(crate) fn says(&self, fragments: &[&str]) -> &Self {
        let told = format!("{}{}", self.stdout, self.stderr).to_lowercase();
        for fragment in fragments {
            assert!(told.contains(&fragment.to_lowercase()), "{fragment:?} was not said\n{self}");
        }
        self
    }
}

impl Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(formatter, "$ {command}\nexit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}
