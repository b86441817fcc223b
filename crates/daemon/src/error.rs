//! What a failure means to whoever started the program.

use std::error::Error;
use std::fmt;

use unattended_identity::ErrorKind;

/// The class of a failure; the program maps each to its documented exit code.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ExitClass {
    /// A job or a call failed (1).
    Failed,
    /// A service cannot be reached (69).
    Unavailable,
    /// It passes by itself; the same command may succeed later (75).
    Temporary,
    /// Credential, consent or permission is refused (77).
    Refused,
    /// Something in the configuration has to be changed (78).
    Configuration,
}

impl From<&unattended_identity::Error> for ExitClass {
    fn from(error: &unattended_identity::Error) -> Self {
        match error.kind() {
            ErrorKind::Configuration => Self::Configuration,
            ErrorKind::Credential | ErrorKind::Federation | ErrorKind::Refused => Self::Refused,
            ErrorKind::Throttled => Self::Temporary,
            ErrorKind::Transient if error.status().is_some() => Self::Temporary,
            _ => Self::Unavailable,
        }
    }
}

impl From<&unattended_webapi::Error> for ExitClass {
    fn from(error: &unattended_webapi::Error) -> Self {
        let token_error = std::iter::successors(error.source(), |cause| (*cause).source())
            .find_map(|cause| cause.downcast_ref::<unattended_identity::Error>());
        match token_error {
            Some(token_error) => Self::from(token_error),
            None if error.needs_administrator() || error.is_unauthorized() => Self::Refused,
            None if error.is_transient() && error.status().is_none() && !error.is_throttled() => {
                Self::Unavailable
            }
            None if error.is_transient() => Self::Temporary,
            None => Self::Failed,
        }
    }
}

impl From<&unattended_jobs::JobError> for ExitClass {
    fn from(error: &unattended_jobs::JobError) -> Self {
        match error.call() {
            Some(call) => Self::from(call),
            None if error.is_already_running() => Self::Temporary,
            None => Self::Failed,
        }
    }
}

/// Why the parts that a configuration names cannot be put together or kept running.
#[derive(Debug)]
pub struct BuildError {
    class: ExitClass,
    message: String,
    remedy: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BuildError {
    pub(crate) fn new(class: ExitClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), remedy: None, source: None }
    }

    pub(crate) fn mended_by(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    pub(crate) fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    pub(crate) fn of_token(api: &str, error: unattended_identity::Error) -> Self {
        let remedy = error.remedy();
        let failed = Self::new(ExitClass::from(&error), format!("no token for `{api}` can be acquired"));
        let failed = match remedy {
            Some(remedy) => failed.mended_by(remedy),
            None => failed.mended_by("run `unattended doctor`"),
        };
        failed.caused_by(error)
    }

    /// The class of exit code.
    #[must_use]
    pub fn exit_class(&self) -> ExitClass {
        self.class
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
