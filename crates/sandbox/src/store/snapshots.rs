//! The whole database as a file, and back, while it is in use.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use unattended_files as files;

use super::{Store, StoreError, changes, schema};

/// What the name of a snapshot ends with while it is written.
pub(crate) const UNFINISHED: &str = ".unfinished";

impl Store {
    /// Writes everything as it is at one moment into a file with mode 0600, which takes the place of an older one.
    /// Others read and write meanwhile.
    pub(crate) fn snapshot(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| StoreError::open(path, error);
        let unfinished = path.with_extension(&UNFINISHED[1..]);
        remove(&unfinished).map_err(failed)?;
        files::open_private(&unfinished).map_err(failed)?;
        let mut copy = Connection::open(&unfinished)?;
        // One that the loss of power cuts short is not renamed.
        copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        let written = self.read(|connection| transfer(connection, &mut copy));
        drop(copy);
        let finished = written.and_then(|()| std::fs::rename(&unfinished, path).map_err(failed));
        if finished.is_err() {
            // What could not be written whole takes the room of what could.
            _ = remove(&unfinished);
        }
        finished
    }

    /// Takes everything back to what a snapshot holds. Whoever reads meanwhile sees all of the old or all of the new
    /// state; writers wait.
    pub(crate) fn restore(&self, path: &Path) -> Result<(), StoreError> {
        let snapshot = open(path)?;
        self.with_writer(|connection| {
            let last = changes::head(connection)?;
            transfer(&snapshot, connection)?;
            // It may be older than this version.
            schema::prepare(connection, path)?;
            changes::undo(connection, last)
        })?;
        self.was_restored();
        Ok(())
    }

    /// How long the database is, in bytes.
    pub(crate) fn size(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let pragma =
                |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u32>(0));
            Ok(u64::from(pragma("page_count")?) * u64::from(pragma("page_size")?))
        })
    }
}

/// Nobody writes to a snapshot, so that it needs none of the files beside it that a database has.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let url = url::Url::from_file_path(path).map_err(|()| StoreError::open(path, "not an absolute path"))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("{url}?immutable=1"), flags)
        .map_err(|error| StoreError::open(path, error))
}

fn transfer(from: &Connection, to: &mut Connection) -> Result<(), StoreError> {
    const ALL_PAGES: i32 = -1;
    match Backup::new(from, to)?.step(ALL_PAGES)? {
        StepResult::Done => Ok(()),
        _ => Err(StoreError::busy()),
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn stores() -> (tempfile::TempDir, [Store; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let on_disk = Store::open(&directory.path().join("sandbox.sqlite3")).unwrap();
        (directory, [on_disk, Store::in_memory().unwrap()])
    }

    #[test]
    fn what_was_changed_since_is_undone_in_files_and_in_memory() {
        let (directory, stores) = stores();
        for store in stores {
            let snapshot = directory.path().join("a.sqlite3");
            store.set_setting("x", b"before").unwrap();
            store.snapshot(&snapshot).unwrap();
            for _ in 0..3 {
                store.set_setting("x", b"after").unwrap();
                store.set_setting("y", b"new").unwrap();
                store.restore(&snapshot).unwrap();
                let beside = std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name());
                assert!(!beside.into_iter().any(|name| name.to_string_lossy().starts_with("a.sqlite3-")));
                assert_eq!(store.setting("x").unwrap().as_deref(), Some(&b"before"[..]));
                assert_eq!(store.setting("y").unwrap(), None);
            }
        }
    }

    #[test]
    fn a_snapshot_that_fails_leaves_nothing_half_done() {
        let (directory, stores) = stores();
        let path = directory.path().join("a.sqlite3");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        for store in stores {
            assert!(store.snapshot(&path).is_err());
            assert!(!path.with_extension("unfinished").exists());
        }
    }

    #[test]
    fn restoring_under_load_shows_everyone_a_whole_state() {
        let (directory, stores) = stores();
        for store in stores {
            let store = Arc::new(store);
            let snapshot = directory.path().join("b.sqlite3");
            let put = |store: &Store, value: &[u8]| {
                store.write(|transaction| -> Result<(), StoreError> {
                    for name in ["left", "right"] {
                        transaction
                            .execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", (name, value))?;
                    }
                    Ok(())
                })
            };
            put(&store, b"0").unwrap();
            store.snapshot(&snapshot).unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !stop.load(Ordering::Relaxed) {
                            let read = |connection: &Connection| -> Result<_, StoreError> {
                                let value = |name| {
                                    connection
                                        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
                                        .query_row([name], |row| row.get::<_, Vec<u8>>(0))
                                };
                                Ok((value("left")?, value("right")?))
                            };
                            let (left, right) = store.read(read).unwrap();
                            assert_eq!(left, right);
                        }
                    });
                }
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        put(&store, b"1").unwrap();
                    }
                });
                for _ in 0..50 {
                    store.restore(&snapshot).unwrap();
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_snapshot_belongs_to_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (directory, [store, _]) = stores();
        let path = directory.path().join("c.sqlite3");
        store.snapshot(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
