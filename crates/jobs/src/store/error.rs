//! Why the store did not do it.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A refusal or a failure of the store.
#[derive(Debug)]
pub struct StoreError {
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Corrupt(PathBuf),
    Database(&'static str),
    Full { doing: &'static str, path: PathBuf },
    File(PathBuf, std::io::ErrorKind),
    Foreign(PathBuf),
    Held { job: String, pid: Option<u32> },
    Newer { path: PathBuf, found: i64, known: i64 },
    Stale { run_id: String },
}

impl StoreError {
    /// Whether another process runs the job.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.kind, Kind::Held { .. })
    }

    /// Whether somebody else has claimed the run meanwhile: what the caller knows about it is of the past.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self.kind, Kind::Stale { .. })
    }

    /// Whether the file is damaged.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self.kind, Kind::Corrupt(_))
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        Some(match &self.kind {
            Kind::Corrupt(path) => format!(
                "restore {0} from a backup, or move it away together with {0}-wal and {0}-shm and start again: \
                 nothing in the directory is lost, only the history and the points to resume from",
                path.display()
            ),
            Kind::Database(_) | Kind::Stale { .. } => return None,
            Kind::Full { path, .. } => {
                unattended_files::remedy_of_writing(path, std::io::ErrorKind::StorageFull)
            }
            Kind::File(path, kind) => unattended_files::remedy_of_writing(path, *kind),
            Kind::Foreign(_) => "name another state directory".to_owned(),
            Kind::Held { .. } => "wait for it, or stop it".to_owned(),
            Kind::Newer { .. } => {
                "run the newer version, or restore the backup made before the update".to_owned()
            }
        })
    }

    pub(crate) fn database(doing: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        let kind = match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Kind::Corrupt(path.to_owned()),
            Some(DiskFull) => Kind::Full { doing, path: path.to_owned() },
            _ => Kind::Database(doing),
        };
        Self { kind, source: Some(source.into()) }
    }

    pub(crate) fn closed() -> Self {
        Self { kind: Kind::Database("reach the state: its thread has ended"), source: None }
    }

    pub(crate) fn corrupt(path: &Path, finding: String) -> Self {
        Self { kind: Kind::Corrupt(path.to_owned()), source: Some(finding.into()) }
    }

    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self { kind: Kind::File(path.to_owned(), source.kind()), source: Some(source.into()) }
    }

    pub(crate) fn foreign(path: &Path) -> Self {
        Self { kind: Kind::Foreign(path.to_owned()), source: None }
    }

    pub(crate) fn held(job: &str, pid: Option<u32>) -> Self {
        Self { kind: Kind::Held { job: job.to_owned(), pid }, source: None }
    }

    pub(crate) fn newer(path: &Path, found: i64, known: i64) -> Self {
        Self { kind: Kind::Newer { path: path.to_owned(), found, known }, source: None }
    }

    pub(crate) fn stale(run_id: &str) -> Self {
        Self { kind: Kind::Stale { run_id: run_id.to_owned() }, source: None }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Corrupt(path) => write!(f, "the state file {} is damaged", path.display()),
            Kind::Database(doing) | Kind::Full { doing, .. } => write!(f, "the state could not {doing}"),
            Kind::File(path, _) => write!(f, "the state file {} cannot be used", path.display()),
            Kind::Foreign(path) => write!(f, "{} is a database of another program", path.display()),
            Kind::Held { job, pid: Some(pid) } => write!(f, "job {job} is already running (pid {pid})"),
            Kind::Held { job, pid: None } => write!(f, "job {job} is already running"),
            Kind::Newer { path, found, known } => write!(
                f,
                "the state file {} was written by a newer version (schema {found}, this program knows {known})",
                path.display()
            ),
            Kind::Stale { run_id } => write!(f, "run {run_id} was taken over by another process"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn whoever_has_no_room_is_told_to_make_some_and_not_to_look_at_rights() {
        let path = Path::new("/state/unattended.sqlite3");
        let full =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        for error in [
            StoreError::database("note the end of a run", path, full),
            StoreError::file(path, ErrorKind::StorageFull.into()),
        ] {
            assert_eq!(
                error.remedy().as_deref(),
                Some("make room on the disk that /state/unattended.sqlite3 is on, and do it again"),
                "{error}"
            );
        }
        let denied = StoreError::file(path, ErrorKind::PermissionDenied.into());
        assert!(denied.remedy().unwrap().starts_with("check that the account may write"));
    }
}
