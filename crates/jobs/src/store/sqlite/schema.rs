//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// `UNAT`: tells our files from those of other programs.
const APPLICATION_ID: i64 = 0x554E_4154;

/// Step `n` leads from schema `n` to `n + 1`. A step that was released is never changed.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE runs (
        id          TEXT PRIMARY KEY,
        tenant      TEXT NOT NULL,
        job         TEXT NOT NULL,
        due         INTEGER NOT NULL,
        state       TEXT NOT NULL DEFAULT 'due'
                    CHECK (state IN ('due', 'running', 'interrupted', 'done', 'failed', 'parked')),
        not_before  INTEGER NOT NULL DEFAULT 0,
        lease_until INTEGER,
        owner       TEXT,
        fence       INTEGER NOT NULL DEFAULT 0,
        attempts    INTEGER NOT NULL DEFAULT 0,
        finished_at INTEGER,
        report      TEXT,
        UNIQUE (tenant, job, due)
    ) STRICT;
    CREATE INDEX runs_unfinished ON runs (tenant, job, due) WHERE state IN ('due', 'running', 'interrupted');
    CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

    CREATE TABLE checkpoints (
        tenant TEXT NOT NULL,
        job    TEXT NOT NULL,
        fence  INTEGER NOT NULL,
        run    TEXT NOT NULL,
        body   TEXT NOT NULL,
        PRIMARY KEY (tenant, job)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE journal (
        run         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        sequence    INTEGER NOT NULL,
        key         TEXT NOT NULL,
        operation   TEXT NOT NULL CHECK (operation IN ('create', 'update')),
        digest      TEXT NOT NULL,
        sent_at     INTEGER NOT NULL,
        answered_at INTEGER,
        status      INTEGER,
        request_id  TEXT,
        PRIMARY KEY (run, sequence)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE runs ADD COLUMN began_at INTEGER;
",
    "
    CREATE TABLE memories (
        tenant TEXT NOT NULL,
        job    TEXT NOT NULL,
        body   TEXT NOT NULL,
        PRIMARY KEY (tenant, job)
    ) STRICT, WITHOUT ROWID;
",
];

/// Brings the file to the schema of this program.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::database("be opened", path, error);
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed)
    };
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);

    // Two processes may start at once: the second finds the work done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = pragma(&transaction, "user_version")?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if tables > 0 && pragma(&transaction, "application_id")? != APPLICATION_ID {
        return Err(StoreError::foreign(path));
    }
    if found > known {
        return Err(StoreError::newer(path, found, known));
    }
    if found == known {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}
