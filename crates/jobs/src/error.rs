//! Why a job did not run to its end.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use unattended_webapi as webapi;

use crate::source::SourceError;
use crate::store::StoreError;

/// A run that failed, or could not begin.
#[derive(Debug)]
pub struct JobError(Box<Kind>);

#[derive(Debug)]
enum Kind {
    Call { doing: &'static str, source: webapi::Error },
    File { path: PathBuf, source: std::io::Error },
    NoPlan,
    Panic(String),
    Source(SourceError),
    Store(StoreError),
}

impl JobError {
    /// Whether it passes without a human: the run is kept and goes on later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &*self.0 {
            Kind::Call { source, .. } => source.is_transient() || source.is_ambiguous(),
            _ => false,
        }
    }

    /// Whether another process runs the job just now.
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(&*self.0, Kind::Store(error) if error.is_held())
    }

    /// Whether another process has taken the run over.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        matches!(&*self.0, Kind::Store(error) if error.is_stale())
    }

    /// Whether an administrator of the tenant has to grant something.
    #[must_use]
    pub fn needs_administrator(&self) -> bool {
        matches!(&*self.0, Kind::Call { source, .. } if source.needs_administrator())
    }

    /// When the API wants to be asked again.
    #[must_use]
    pub fn retry_at(&self) -> Option<SystemTime> {
        if let Kind::Call { source, .. } = &*self.0 { source.retry_at() } else { None }
    }

    /// The failed call, if it was one.
    #[must_use]
    pub fn call(&self) -> Option<&webapi::Error> {
        if let Kind::Call { source, .. } = &*self.0 { Some(source) } else { None }
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match &*self.0 {
            Kind::File { path, source } => Some(unattended_files::remedy_of_writing(path, source.kind())),
            Kind::NoPlan => Some("run it: it changes nothing in the directory".to_owned()),
            Kind::Source(error) => Some(error.remedy().to_owned()),
            Kind::Store(error) => error.remedy(),
            Kind::Call { .. } | Kind::Panic(_) => None,
        }
    }

    pub(crate) fn of_call(doing: &'static str, source: webapi::Error) -> Self {
        Self(Box::new(Kind::Call { doing, source }))
    }

    pub(crate) fn of_file(path: &Path, source: std::io::Error) -> Self {
        Self(Box::new(Kind::File { path: path.to_owned(), source }))
    }

    pub(crate) fn no_plan() -> Self {
        Self(Box::new(Kind::NoPlan))
    }

    pub(crate) fn of_panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(Box::new(Kind::Panic(text.unwrap_or_else(|| "no message".to_owned()))))
    }

    /// The error and its causes on one line, for the history.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        Self(Box::new(Kind::Source(error)))
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(Kind::Store(error)))
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Call { doing, .. } => write!(f, "{doing} failed"),
            Kind::File { path, .. } => write!(f, "{} could not be written", path.display()),
            Kind::NoPlan => f.write_str("an export has no plan"),
            Kind::Panic(text) => write!(f, "the job panicked: {text}"),
            Kind::Source(error) => error.fmt(f),
            Kind::Store(error) => error.fmt(f),
        }
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            Kind::Call { source, .. } => Some(source),
            Kind::File { source, .. } => Some(source),
            Kind::NoPlan | Kind::Panic(_) => None,
            // Their text is this error's own.
            Kind::Source(error) => error.source(),
            Kind::Store(error) => error.source(),
        }
    }
}
