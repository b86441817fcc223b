//! Why the database could not answer.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// A failure of the sandbox's database.
#[derive(Debug)]
pub(crate) struct StoreError {
    kind: Kind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Conflict,
    Corrupt,
    Full,
    Newer,
    Other,
}

impl StoreError {
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self { kind: Kind::Corrupt, message: message.into(), source: None }
    }

    pub(super) fn busy() -> Self {
        Self { kind: Kind::Other, message: "the sandbox's database is busy".into(), source: None }
    }

    pub(super) fn foreign(path: &Path) -> Self {
        Self::corrupt(format!("`{}` is an SQLite database, but not a sandbox's", path.display()))
    }

    pub(super) fn newer(path: &Path, found: i64, known: i64) -> Self {
        let message = format!(
            "`{}` was written by a newer version (schema {found}, this one knows up to {known})",
            path.display()
        );
        Self { kind: Kind::Newer, message, source: None }
    }

    pub(super) fn open(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        let kind = source.downcast_ref::<rusqlite::Error>().map_or(Kind::Other, kind_of);
        let message = match kind {
            Kind::Corrupt => format!("`{}` is damaged or not an SQLite database", path.display()),
            _ => format!("could not open `{}`", path.display()),
        };
        Self { kind, message, source: Some(source) }
    }

    /// Whether a unique value already belongs to another object.
    pub(crate) fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Whether there is no room left on the disk: what is there can still be read.
    pub(crate) fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// What an operator can do about it.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Corrupt => Some(
                "move the file away to keep it, or empty the tenant with `unattended sandbox reset --data DIR`",
            ),
            Kind::Full => Some("make room on the disk of the data directory"),
            Kind::Newer => Some("start the sandbox with the version that wrote it, or use another directory"),
            Kind::Conflict | Kind::Other => None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        let kind = kind_of(&source);
        let message = match kind {
            Kind::Conflict => "the value already belongs to another object",
            Kind::Corrupt => "the sandbox's database is damaged",
            Kind::Full => "there is no room left for the sandbox's database",
            Kind::Newer | Kind::Other => "the sandbox's database failed",
        };
        Self { kind, message: message.into(), source: Some(source.into()) }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(source: serde_json::Error) -> Self {
        let message = "the sandbox's database holds a document that cannot be read".into();
        Self { kind: Kind::Corrupt, message, source: Some(source.into()) }
    }
}

fn kind_of(error: &rusqlite::Error) -> Kind {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE, SQLITE_IOERR_SHMSIZE};
    match error.sqlite_error() {
        Some(error) => match (error.code, error.extended_code) {
            (_, SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE) => Kind::Conflict,
            (rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase, _) => Kind::Corrupt,
            // The second is what a start meets, which makes the index of the log first.
            (rusqlite::ErrorCode::DiskFull, _) | (_, SQLITE_IOERR_SHMSIZE) => Kind::Full,
            _ => Kind::Other,
        },
        None => Kind::Other,
    }
}
