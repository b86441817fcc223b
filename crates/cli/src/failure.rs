//! What a failure reads like, and which code the process ends with.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};
use unattended_daemon::{BuildError, ConfigError, ExitClass};
use unattended_jobs::JobError;

/// How the process ends. These numbers are documented and stable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// `EX_UNAVAILABLE` of sysexits.h.
    Unavailable = 69,
    /// `EX_TEMPFAIL`.
    Temporary = 75,
    /// `EX_NOPERM`.
    Refused = 77,
    /// `EX_CONFIG`.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ExitClass> for Exit {
    fn from(class: ExitClass) -> Self {
        match class {
            ExitClass::Configuration => Self::Configuration,
            ExitClass::Refused => Self::Refused,
            ExitClass::Temporary => Self::Temporary,
            ExitClass::Unavailable => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

/// Why a command ended without its result.
#[derive(Clone, Debug)]
pub(crate) struct CommandError(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    details: serde_json::Map<String, Value>,
    /// A report that is complete in itself and is printed instead of the message.
    report: Option<String>,
    reader_left: bool,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self(Box::new(Told {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            details: serde_json::Map::new(),
            report: None,
            reader_left: false,
        }))
    }

    /// The error and all its sources become `caused by` lines.
    pub(crate) fn caused_by(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries print their source inside their own message; once is enough.
            if !self.0.causes.iter().any(|told| told.contains(&text)) {
                self.0.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// A hint that knows more than the one before.
    pub(crate) fn hint_instead(mut self, hint: String) -> Self {
        self.0.hint = Some(hint);
        self
    }

    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.details.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn report(mut self, report: String) -> Self {
        self.0.report = Some(report);
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.0.reader_left { Exit::Done } else { self.0.exit }
    }

    /// Whether there is nobody left to tell: the reader of standard output went away.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.reader_left
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({
            "message": self.0.message,
            "caused_by": self.0.causes,
            "hint": self.0.hint,
            "exit_code": self.0.exit as u8,
        });
        if let Value::Object(members) = &mut error {
            members.extend(self.0.details.clone());
        }
        json!({ "error": error })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(report) = &self.0.report {
            f.write_str(report.trim_end())?;
        } else {
            write!(f, "error: {}", self.0.message)?;
        }
        for cause in &self.0.causes {
            write!(f, "\ncaused by: {cause}")?;
        }
        self.0.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// What an error of the libraries means to whoever started the program.
pub(crate) fn explain(message: impl Into<String>, error: &(dyn Error + 'static)) -> CommandError {
    let mut failure = CommandError::new(Exit::Failed, message).caused_by(error);
    let mut class = None;
    for error in std::iter::successors(Some(error), |error| (*error).source()) {
        if let Some(error) = error.downcast_ref::<BuildError>() {
            class.get_or_insert_with(|| error.exit_class());
            if let Some(remedy) = error.remedy() {
                failure = failure.hint(remedy);
            }
        } else if let Some(error) = error.downcast_ref::<JobError>() {
            class.get_or_insert_with(|| ExitClass::from(error));
        } else if let Some(error) = error.downcast_ref::<unattended_webapi::Error>() {
            class.get_or_insert_with(|| ExitClass::from(error));
            failure = of_web_api(failure, error);
        } else if let Some(error) = error.downcast_ref::<unattended_identity::Error>() {
            class.get_or_insert_with(|| ExitClass::from(error));
            failure = of_identity(failure, error);
        }
    }
    failure.0.exit = class.map_or(Exit::Failed, Exit::from);
    match failure.0.exit {
        Exit::Unavailable => failure.hint("`unattended doctor` shows how far the network reaches"),
        _ => failure,
    }
}

/// A configuration with mistakes: the whole report, which shows each of them in its place.
pub(crate) fn of_config(error: &ConfigError) -> CommandError {
    let failure = CommandError::new(Exit::Configuration, error.to_string()).report(error.render(true));
    failure.detail("mistakes", serde_json::to_value(error.diagnostics()).unwrap_or_default())
}

fn of_identity(mut failure: CommandError, error: &unattended_identity::Error) -> CommandError {
    for (name, value) in [
        ("oauth_error", error.oauth_error()),
        ("trace_id", error.trace_id()),
        ("correlation_id", error.correlation_id()),
    ] {
        if let Some(value) = value {
            failure = failure.detail(name, value);
        }
    }
    if !error.codes().is_empty() {
        failure = failure.detail("aadsts", error.codes());
    }
    // Of a request that never left nobody knows anything.
    if let Some(identifier) = error.correlation_id()
        && (error.attempts() > 0 || error.oauth_error().is_some())
    {
        failure.0.causes.push(format!("correlation id {identifier} (support asks for it)"));
    }
    if let Some(at) = error.retry_at() {
        failure = asked_for_patience(failure, at);
    }
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure.hint("`unattended doctor` looks at everything that a token needs"),
    }
}

fn asked_for_patience(failure: CommandError, until: SystemTime) -> CommandError {
    let Ok(until) = jiff::Timestamp::try_from(until) else { return failure };
    let until = until.round(jiff::Unit::Second).unwrap_or(until).to_string();
    let hint = format!("try again at {until}: until then the server wants to be left alone");
    failure.detail("retry_at", until).hint(hint)
}

fn of_web_api(mut failure: CommandError, error: &unattended_webapi::Error) -> CommandError {
    for (name, value) in [("code", error.code()), ("request_id", error.request_id())] {
        if let Some(value) = value {
            failure = failure.detail(name, value);
        }
    }
    if let Some(status) = error.status() {
        failure = failure.detail("status", status.as_u16());
    }
    if let Some(largest) = error.largest_page() {
        failure
            .detail("largest_page", largest)
            .hint(format!("ask for at most $top={largest}, or leave `$top` out"))
    } else if let (true, Some(remedy)) = (error.needs_administrator(), error.remedy()) {
        failure.hint(format!(
            "{remedy}; `unattended register` asks for permissions and grants them, `unattended doctor` shows which are there"
        ))
    } else if let Some(remedy) = error.remedy() {
        failure.hint(remedy)
    } else if error.needs_administrator() {
        failure.hint("an administrator has to grant the application permission; `unattended doctor` shows which is missing")
    } else if error.is_unauthorized() {
        failure.hint("`unattended doctor` shows what is in the token and whether the clock is right")
    } else if error.is_not_divisible() {
        failure.hint("leave `--parallel` out: `--all` alone reads any collection, page by page")
    } else {
        failure
    }
}

impl From<std::io::Error> for CommandError {
    /// Writing a result failed.
    fn from(cause: std::io::Error) -> Self {
        let reader_left = cause.kind() == std::io::ErrorKind::BrokenPipe;
        let mut failure = Self::new(Exit::Failed, "standard output cannot be written").caused_by(&cause);
        failure.0.reader_left = reader_left;
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_error_caused_by_hint() {
        let cause = std::io::Error::other("disk full");
        let failure = CommandError::new(Exit::Failed, "the file cannot be written")
            .caused_by(&cause)
            .hint("free space");
        assert_eq!(
            failure.to_string(),
            "error: the file cannot be written\ncaused by: disk full\nhint: free space"
        );
        assert_eq!(failure.to_json()["error"]["exit_code"], 1);
    }

    #[test]
    fn a_server_that_asks_for_patience_is_told_with_the_time_until_which() {
        let until = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_392_059_600);
        let failure = asked_for_patience(CommandError::new(Exit::Temporary, "no token"), until);
        assert_eq!(
            failure.to_string(),
            "error: no token\nhint: try again at 2026-11-23T00:01:00Z: until then the server wants to be left alone"
        );
        assert_eq!(failure.to_json()["error"]["retry_at"], "2026-11-23T00:01:00Z");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = CommandError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(failure.is_silent() && failure.exit() == Exit::Done);
    }
}
