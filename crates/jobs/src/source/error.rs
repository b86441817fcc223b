//! Why a source cannot be used at all.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A source that cannot be read.
#[derive(Debug)]
pub struct SourceError {
    path: PathBuf,
    reason: String,
    remedy: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        let remedy = match source.kind() {
            std::io::ErrorKind::NotFound => "check `source` of the job",
            _ => "check that the account may read it",
        };
        Self {
            path: path.to_owned(),
            reason: "it cannot be read".to_owned(),
            remedy: remedy.to_owned(),
            source: Some(source.into()),
        }
    }

    pub(crate) fn invalid(path: &Path, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), remedy: remedy.into(), source: None }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the source {} cannot be used: {}", self.path.display(), self.reason)
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
