//! One file per entry, in a directory for its owner alone.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use unattended_core::{BoxFuture, Clock};
use unattended_files::open_regular;
use unattended_identity::{StoreError, StoreKey, TokenStore};

use crate::blocking::blocking;

const SUFFIX: &str = "token";

/// How many times it is saved before expired files are looked for.
const SAVES_PER_SWEEP: u32 = 64;

/// No token is larger.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A directory with mode 0700; every entry is a file with mode 0600 that is whole or not there. The expiry stands in the
/// first eight bytes, so that what has expired can be removed by whoever comes next.
#[derive(Clone, Debug)]
pub struct DirectoryStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    saves: AtomicU32,
}

impl DirectoryStore {
    /// Keeps entries in `directory`, which is made when the first one is saved.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { directory: directory.into(), clock, saves: AtomicU32::default() }))
    }
}

impl Inner {
    fn path(&self, key: &StoreKey) -> PathBuf {
        self.directory.join(key.as_str()).with_extension(SUFFIX)
    }

    fn load(&self, key: &StoreKey) -> Result<Option<Vec<u8>>, StoreError> {
        let mut content = Vec::new();
        let read = open_regular(&self.path(key))
            .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut content));
        match read {
            // What is a pipe or a device is replaced by the next token, as what is damaged.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Ok(None),
            Err(error) => Err(StoreError::new(error)),
            Ok(length) if length as u64 > LONGEST_FILE => Ok(None),
            Ok(_) => Ok(content.split_first_chunk::<8>().map(|(_, sealed)| sealed.to_vec())),
        }
    }

    fn save(&self, key: &StoreKey, sealed: &[u8], expires_at: SystemTime) -> Result<(), StoreError> {
        let expiry = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let content = [&expiry.to_be_bytes(), sealed].concat();
        unattended_files::write_private(&self.path(key), &content).map_err(StoreError::new)?;
        if self.saves.fetch_add(1, Relaxed).is_multiple_of(SAVES_PER_SWEEP) {
            self.sweep();
        }
        Ok(())
    }

    /// Removes what has expired. Another process may do the same, so a file that is gone is no failure.
    fn sweep(&self) {
        let now = self.clock.now();
        let files = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let is_entry = path.extension().is_some_and(|extension| extension == SUFFIX);
            if is_entry && expiry(&path).is_some_and(|expires_at| expires_at <= now) {
                _ = std::fs::remove_file(path);
            }
        }
    }
}

fn expiry(path: &Path) -> Option<SystemTime> {
    let mut bytes = [0; 8];
    open_regular(path).ok()?.read_exact(&mut bytes).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(bytes)))
}

impl TokenStore for DirectoryStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        Box::pin(blocking(move || inner.load(&key)))
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        Box::pin(blocking(move || inner.save(&key, &sealed, expires_at)))
    }
}
