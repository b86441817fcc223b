//! One row per entry, in a database that several processes of one machine may have open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};
use unattended_core::{BoxFuture, Clock};
use unattended_identity::{StoreError, StoreKey, TokenStore};

use crate::blocking::blocking;

/// Shorter than the client waits for a store: another process' write is waited for, a stuck one is not.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

/// A SQLite database with mode 0600 (WAL, one table). What has expired is removed by the next write.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// None before the first use and after a failure.
    connection: Mutex<Option<Connection>>,
}

impl SqliteStore {
    /// Keeps entries in the database at `path`, which is opened or made when the first one is looked for, and anew after
    /// each failure: one that is damaged, locked or on a full disk costs its help as long as it is, and no start.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { path: path.into(), clock, connection: Mutex::default() }))
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let now = seconds(inner.clock.now());
            let mut connection = inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let open = match connection.take() {
                Some(open) => open,
                None => open(&inner.path)?,
            };
            let done = work(&open, now).map_err(StoreError::new)?;
            *connection = Some(open);
            Ok(done)
        })
        .await
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    unattended_files::create_private_directory(unattended_files::directory_of(path))
        .and_then(|()| unattended_files::open_private(path))
        .map_err(StoreError::new)?;
    let connection = Connection::open(path).map_err(StoreError::new)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::new)?;
    // Tokens can be had again: a power loss may cost the last ones.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS tokens (
                 key TEXT PRIMARY KEY, sealed BLOB NOT NULL, expires_at INTEGER NOT NULL
             ) STRICT, WITHOUT ROWID;",
        )
        .map_err(StoreError::new)?;
    Ok(connection)
}

impl TokenStore for SqliteStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let key = key.as_str().to_owned();
        Box::pin(self.work(move |connection, now| {
            connection
                .prepare_cached("SELECT sealed FROM tokens WHERE key = ?1 AND expires_at > ?2")?
                .query_row(params![key, now], |row| row.get(0))
                .optional()
        }))
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let key = key.as_str().to_owned();
        Box::pin(self.work(move |connection, now| {
            connection.prepare_cached("DELETE FROM tokens WHERE expires_at <= ?1")?.execute([now])?;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO tokens (key, sealed, expires_at) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![key, sealed, seconds(expires_at)])?;
            Ok(())
        }))
    }
}

fn seconds(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
