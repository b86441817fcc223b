//! Snapshots by name: files beside the database.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use crate::SandboxError;
use crate::data_directory::DataDirectory;
use crate::store::{self, Store, StoreError};

/// The snapshot of how the sandbox began.
pub(crate) const START: &str = "start";

/// The largest database that is copied at the start without being asked.
const MAX_START_BYTES: u64 = 64 * 1024 * 1024;

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".sqlite3";

/// The settings that a restored sandbox keeps, beside its secrets: where it is served and what it signs with are no part of
/// its state.
const KEPT_SETTINGS: [&str; 2] = ["port", "signing-keys"];

/// Takes and restores snapshots. Holds no directory: a sandbox that has ended takes none.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    store: Arc<Store>,
    directory: Weak<DataDirectory>,
}

/// Why there is no snapshot.
#[derive(Debug)]
pub(crate) enum SnapshotError {
    Name,
    Missing(String),
    Sandbox(SandboxError),
}

impl Snapshots {
    pub(crate) fn new(store: &Arc<Store>, directory: &Arc<DataDirectory>) -> Self {
        Self { store: Arc::clone(store), directory: Arc::downgrade(directory) }
    }

    /// Takes the snapshot of the start, unless there is one or the tenant is very large.
    pub(crate) fn take_start(&self) -> Result<(), SnapshotError> {
        if self.file(START)?.exists() || self.store.size()? > MAX_START_BYTES {
            return Ok(());
        }
        self.take(START)
    }

    /// Takes a snapshot, which replaces an older one of this name.
    pub(crate) fn take(&self, name: &str) -> Result<(), SnapshotError> {
        Ok(self.store.snapshot(&self.file(name)?)?)
    }

    /// Takes the sandbox back to a snapshot.
    pub(crate) fn restore(&self, name: &str) -> Result<(), SnapshotError> {
        let file = self.existing(name)?;
        let mut kept = Vec::new();
        for name in KEPT_SETTINGS.into_iter().chain(store::SECRETS) {
            kept.extend(self.store.setting(name)?.map(|value| (name, value)));
        }
        self.store.restore(&file)?;
        kept.into_iter().try_for_each(|(name, value)| Ok(self.store.set_setting(name, &value)?))
    }

    /// Removes a snapshot.
    pub(crate) fn remove(&self, name: &str) -> Result<(), SnapshotError> {
        let file = self.existing(name)?;
        Ok(fs::remove_file(&file).map_err(|error| SandboxError::file("remove", &file, error))?)
    }

    /// The names of the snapshots, in order.
    pub(crate) fn list(&self) -> Result<Vec<String>, SnapshotError> {
        let names = self.directory()?.files()?;
        let mut names: Vec<String> =
            names.iter().filter_map(|file| Self::name_of(file)).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The name of the snapshot that is in a file, if one is.
    pub(crate) fn name_of(file: &str) -> Option<&str> {
        file.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
    }

    /// Whether a file is a snapshot that was not written to its end, or what a database has beside it.
    pub(crate) fn is_left_over(file: &str) -> bool {
        let beside =
            || file.strip_suffix("-wal").or_else(|| file.strip_suffix("-shm")).and_then(Self::name_of);
        file.starts_with(PREFIX) && (file.ends_with(store::UNFINISHED) || beside().is_some())
    }

    fn existing(&self, name: &str) -> Result<PathBuf, SnapshotError> {
        let file = self.file(name)?;
        if file.exists() { Ok(file) } else { Err(SnapshotError::Missing(name.to_owned())) }
    }

    fn file(&self, name: &str) -> Result<PathBuf, SnapshotError> {
        let is_name = (1..=64).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        if !is_name {
            return Err(SnapshotError::Name);
        }
        Ok(self.directory()?.file(&format!("{PREFIX}{name}{SUFFIX}")))
    }

    fn directory(&self) -> Result<Arc<DataDirectory>, SandboxError> {
        self.directory.upgrade().ok_or_else(|| {
            SandboxError::internal("there is no place for a snapshot", "the sandbox has ended")
        })
    }
}

impl From<StoreError> for SnapshotError {
    fn from(error: StoreError) -> Self {
        Self::Sandbox(error.into())
    }
}

impl From<SandboxError> for SnapshotError {
    fn from(error: SandboxError) -> Self {
        Self::Sandbox(error)
    }
}

impl From<SnapshotError> for SandboxError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Sandbox(error) => error,
            SnapshotError::Name => Self::internal("a snapshot cannot be taken", "its name is wrong"),
            SnapshotError::Missing(name) => Self::internal("a snapshot is missing", name),
        }
    }
}

#[cfg(test)]
mod tests {
    use unattended_core::SystemEntropy;

    use super::*;

    #[test]
    fn snapshots_are_taken_listed_restored_and_removed() {
        let directory = Arc::new(DataDirectory::temporary(&SystemEntropy).unwrap());
        let store = Arc::new(Store::open(&directory.database()).unwrap());
        let snapshots = Snapshots::new(&store, &directory);
        assert!(snapshots.list().unwrap().is_empty());
        store.set_setting("port", b"1").unwrap();
        snapshots.take_start().unwrap();
        let key = store.secret_setting("skip-token-key").unwrap();
        store.set_setting("x", b"1").unwrap();
        store.set_setting("port", b"2").unwrap();
        snapshots.take("with-x").unwrap();
        snapshots.take_start().unwrap();
        assert_eq!(snapshots.list().unwrap(), ["start", "with-x"]);
        snapshots.restore(START).unwrap();
        assert_eq!(store.setting("x").unwrap(), None);
        assert_eq!(store.setting("port").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(store.secret_setting("skip-token-key").unwrap(), key, "it is younger than the snapshot");
        snapshots.restore("with-x").unwrap();
        assert!(store.setting("x").unwrap().is_some());
        snapshots.remove("with-x").unwrap();
        assert!(matches!(snapshots.restore("with-x"), Err(SnapshotError::Missing(_))));
        for name in ["", "../x", "A", "a/b", "."] {
            assert!(matches!(snapshots.take(name), Err(SnapshotError::Name)), "{name}");
        }
    }
}
