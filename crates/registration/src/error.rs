//! A registration that did not come about.

use std::error::Error as StdError;
use std::fmt;

/// Why a registration stopped. The steps before it stand; running it again goes on from there.
#[derive(Debug)]
pub struct Error {
    reason: String,
    remedy: Option<String>,
    source: Option<Source>,
}

#[derive(Debug)]
enum Source {
    Directory(unattended_webapi::Error),
    Other(Box<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: None, source: None }
    }

    pub(crate) fn directory(reason: impl Into<String>, source: unattended_webapi::Error) -> Self {
        let remedy = source.needs_administrator().then(|| {
            "use an application that holds Application.ReadWrite.All and, to grant consent, \
             AppRoleAssignment.ReadWrite.All"
                .to_owned()
        });
        Self { reason: reason.into(), remedy, source: Some(Source::Directory(source)) }
    }

    pub(crate) fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(Source::Other(source.into())), ..self }
    }

    pub(crate) fn mend(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// What to do about it, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// What the directory answered, if it was the directory that refused.
    #[must_use]
    pub fn call(&self) -> Option<&unattended_webapi::Error> {
        if let Some(Source::Directory(call)) = &self.source { Some(call) } else { None }
    }

    /// Whether it passes without a human.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.call().is_some_and(unattended_webapi::Error::is_transient)
    }

    /// Whether the directory refuses the one who registers.
    #[must_use]
    pub fn needs_administrator(&self) -> bool {
        self.call().is_some_and(unattended_webapi::Error::needs_administrator)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.source.as_ref()? {
            Source::Directory(call) => Some(call),
            Source::Other(other) => Some(&**other),
        }
    }
}
