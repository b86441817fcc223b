//! One writer, a few readers.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use unattended_files as files;

use super::cached::Caches;
use super::{StoreError, schema};

/// How many reads of a file may go on at once.
const READERS: usize = 4;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The tenant's database. Its methods block: on an asynchronous runtime call them where blocking is allowed.
#[derive(Debug)]
pub(crate) struct Store {
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    generation: AtomicU64,
    restores: AtomicU64,
    /// Whether it is a view of the past: its one connection is in a transaction that never ends.
    is_pinned: bool,
    pub(super) caches: Caches,
}

impl Store {
    /// Opens the file, or makes it with mode 0600 in a directory with mode 0700.
    ///
    /// # Errors
    /// The file cannot be read, is no sandbox's database, is damaged, or was written by a newer version.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        make_private_file(path).map_err(|error| StoreError::open(path, error))?;
        let mut writer = connect(path)?;
        schema::prepare(&mut writer, path)?;
        let readers = (0..READERS).map(|_| connect(path).map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Self::of(writer, readers))
    }

    /// Makes a database that ends with this value.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let mut writer = Connection::open_in_memory()?;
        configure(&writer)?;
        schema::prepare(&mut writer, path)?;
        Ok(Self::of(writer, Vec::new()))
    }

    fn of(writer: Connection, readers: Vec<Mutex<Connection>>) -> Self {
        Self {
            writer: Mutex::new(writer),
            readers,
            next_reader: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            restores: AtomicU64::new(0),
            is_pinned: false,
            caches: Caches::default(),
        }
    }

    /// Reads from one snapshot.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.free_reader().unwrap_or_else(|| match self.readers.len() {
            0 => lock(&self.writer),
            count => lock(&self.readers[self.next_reader.fetch_add(1, Ordering::Relaxed) % count]),
        });
        let _snapshot = match self.is_pinned {
            true => None,
            false => Some(ReadTransaction::begin(&connection)?),
        };
        work(&connection)
    }

    /// A view of everything as it is now, for reading, whatever is written later. A file keeps what it needs for that in
    /// its log; of a database in memory it is a copy.
    pub(crate) fn pinned(&self) -> Result<Self, StoreError> {
        let writer = lock(&self.writer);
        let connection = match writer.path().filter(|path| !path.is_empty()) {
            Some(path) => connect(Path::new(path))?,
            None => {
                let mut copy = Connection::open_in_memory()?;
                Backup::new(&writer, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
                copy
            }
        };
        connection.execute_batch("BEGIN")?;
        // The view begins with the first read.
        connection.query_row("SELECT count(*) FROM tenants", [], |_| Ok(()))?;
        Ok(Self { is_pinned: true, ..Self::of(connection, Vec::new()) })
    }

    /// Whether a read would begin at once, as far as one can tell: others may be faster.
    pub(crate) fn is_free(&self) -> bool {
        self.free_reader().is_some()
    }

    fn free_reader(&self) -> Option<MutexGuard<'_, Connection>> {
        let all = if self.readers.is_empty() { std::slice::from_ref(&self.writer) } else { &self.readers };
        // The first that is free: a few connections with warm caches serve better than many with cold ones.
        all.iter().find_map(|connection| match connection.try_lock() {
            Ok(connection) => Some(connection),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })
    }

    /// Changes with every write: what was read at the same generation is still what a read would find.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Changes with every snapshot that is restored: what was before it is not the past of what is now.
    pub(crate) fn restores(&self) -> u64 {
        self.restores.load(Ordering::Acquire)
    }

    pub(super) fn was_restored(&self) {
        self.restores.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes everybody read anew what they remember, because something beside the database changed.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Works on the connection that writes, outside of any transaction.
    pub(super) fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = work(&mut lock(&self.writer));
        self.forget();
        result
    }

    /// Writes all of it or, when `work` fails, nothing.
    pub(crate) fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = lock(&self.writer);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        self.forget();
        Ok(result)
    }
}

/// Ends when it is dropped. Not the transaction of rusqlite, which prepares its statements anew each time.
struct ReadTransaction<'a>(&'a Connection);

impl<'a> ReadTransaction<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, StoreError> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        let ended = self.0.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
        if let Err(error) = ended {
            tracing::error!(%error, "a read did not end");
        }
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| StoreError::open(path, error))?;
    configure(&connection).map_err(|error| StoreError::open(path, error))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A million people move in as one transaction: its log is as large as they are, and cut once it is copied.
    // A write survives the death of the process; only the loss of power may take the last ones, which a sandbox bears.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    // Statements are not planned anew for the values of their parameters: that takes longer than most of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// SQLite gives its WAL files the mode of the database, so that this one decides all three.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    files::create_private_directory(files::directory_of(path))?;
    files::open_private(path).map(drop)
}

/// A panic while the lock was held left no half transaction behind: it was rolled back when it was dropped.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_files_belong_to_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/sandbox.sqlite3");
        let store = Store::open(&path).unwrap();
        store.set_setting("port", b"1").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn what_was_written_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.sqlite3");
        Store::open(&path).unwrap().set_setting("port", b"4321").unwrap();
        assert_eq!(Store::open(&path).unwrap().setting("port").unwrap().as_deref(), Some(&b"4321"[..]));
    }

    #[test]
    fn a_file_that_is_no_sandbox_database_is_refused_with_its_name_and_the_way_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.sqlite3");
        std::fs::write(&path, "this is a letter to a friend, not a database".repeat(100)).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(error.to_string().contains("sandbox.sqlite3"), "{error}");
        assert!(error.remedy().unwrap().contains("sandbox reset"));

        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        assert!(Store::open(&path).unwrap_err().to_string().contains("not a sandbox's"));
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.sqlite3");
        drop(Store::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
        assert!(error.remedy().is_some());
    }

    #[test]
    fn a_view_of_the_past_stays_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.sqlite3");
        for store in [Store::in_memory().unwrap(), Store::open(&path).unwrap()] {
            store.set_setting("port", b"1").unwrap();
            let past = store.pinned().unwrap();
            store.set_setting("port", b"2").unwrap();
            for _ in 0..2 {
                assert_eq!(past.setting("port").unwrap().as_deref(), Some(&b"1"[..]));
            }
            assert_eq!(store.setting("port").unwrap().as_deref(), Some(&b"2"[..]));
            drop(past);
            store.set_setting("port", b"3").unwrap();
            assert_eq!(store.setting("port").unwrap().as_deref(), Some(&b"3"[..]));
        }
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let store = Store::in_memory().unwrap();
        let result: Result<(), StoreError> = store.write(|transaction| {
            transaction.execute("INSERT INTO settings VALUES ('a', x'01')", [])?;
            Err(StoreError::corrupt("stop"))
        });
        assert!(result.is_err());
        assert_eq!(store.setting("a").unwrap(), None);
    }
}
