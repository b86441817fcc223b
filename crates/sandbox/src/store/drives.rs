//! Drives: what was uploaded, by name, size and digest, and the uploads under way with their bytes.
//!
//! A file that is complete is kept as its digest: a sandbox is no place for files.

use aws_lc_rs::digest::{Context, SHA256, digest};
use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq;

use super::StoreError;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS drive_items (
    id          TEXT PRIMARY KEY,
    drive_id    TEXT NOT NULL,
    path        TEXT NOT NULL COLLATE NOCASE,
    size        INTEGER NOT NULL,
    sha256      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    UNIQUE (drive_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS upload_sessions (
    id          TEXT PRIMARY KEY,
    secret      BLOB NOT NULL,
    drive_id    TEXT NOT NULL,
    path        TEXT NOT NULL COLLATE NOCASE,
    on_conflict TEXT NOT NULL,
    size        INTEGER,
    received    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upload_sessions_by_time ON upload_sessions (expires_at);

CREATE TABLE IF NOT EXISTS upload_slices (
    session_id TEXT NOT NULL REFERENCES upload_sessions (id) ON DELETE CASCADE,
    first      INTEGER NOT NULL,
    bytes      BLOB NOT NULL,
    UNIQUE (session_id, first)
) STRICT;
";

/// A file of a drive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DriveItem {
    pub(crate) id: String,
    pub(crate) drive_id: String,
    /// Names with slashes between them, without one before the first. Case does not count.
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: i64,
    /// Hexadecimal capitals.
    pub(crate) sha256: String,
    /// Counts what was written over it, from 1.
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) modified_at: i64,
}

/// What becomes of an upload whose name is taken at its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnConflict {
    Fail,
    Rename,
    Replace,
}

impl OnConflict {
    const ALL: [(&str, Self); 3] =
        [("fail", Self::Fail), ("rename", Self::Rename), ("replace", Self::Replace)];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }
}

/// A file that comes in slices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UploadSession {
    pub(crate) id: String,
    pub(crate) drive_id: String,
    pub(crate) path: String,
    pub(crate) on_conflict: OnConflict,
    /// The size of the whole file in bytes, once a slice has told it.
    pub(crate) size: Option<i64>,
    /// How many of them are here: all before, and none after.
    pub(crate) received: i64,
    /// Unix seconds.
    pub(crate) expires_at: i64,
}

impl UploadSession {
    /// Whether the file is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.size == Some(self.received)
    }
}

const ITEM: &str =
    "SELECT id, drive_id, path, size, sha256, version, created_at, modified_at FROM drive_items";

/// The file with a path, or with an id.
pub(crate) fn item(
    connection: &Connection,
    drive: &str,
    path_or_id: &str,
) -> Result<Option<DriveItem>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(DriveItem {
            id: row.get(0)?,
            drive_id: row.get(1)?,
            path: row.get(2)?,
            size: row.get(3)?,
            sha256: row.get(4)?,
            version: row.get(5)?,
            created_at: row.get(6)?,
            modified_at: row.get(7)?,
        })
    };
    let sql = format!("{ITEM} WHERE drive_id = ?1 AND (path = ?2 OR id = ?2)");
    Ok(connection.prepare_cached(&sql)?.query_row([drive, path_or_id], read).optional()?)
}

/// Writes a file, over an older one of the same id.
pub(crate) fn put_item(connection: &Connection, item: &DriveItem) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO drive_items VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            item.id,
            item.drive_id,
            item.path,
            item.size,
            item.sha256,
            item.version,
            item.created_at,
            item.modified_at
        ])?;
    Ok(())
}

pub(crate) fn delete_item(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM drive_items WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Begins an upload; who knows the secret may go on with it. Those whose time is over are forgotten.
pub(crate) fn begin(
    connection: &Connection,
    session: &UploadSession,
    secret: &str,
    now: i64,
) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM upload_sessions WHERE expires_at <= ?1")?.execute([now])?;
    connection
        .prepare_cached("INSERT INTO upload_sessions VALUES (?1, ?2, ?3, ?4, ?5, NULL, 0, ?6)")?
        .execute(params![
            session.id,
            digest(&SHA256, secret.as_bytes()).as_ref(),
            session.drive_id,
            session.path,
            session.on_conflict.name(),
            session.expires_at
        ])?;
    Ok(())
}

/// Whether something is on its way to a path.
pub(crate) fn is_awaited(
    connection: &Connection,
    drive: &str,
    path: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM upload_sessions
               WHERE drive_id = ?1 AND path = ?2 AND expires_at > ?3 AND received IS NOT size)";
    Ok(connection.prepare_cached(sql)?.query_row(params![drive, path, now], |row| row.get(0))?)
}

/// The upload with an id, for who knows its secret and while its time is not over.
pub(crate) fn session(
    connection: &Connection,
    id: &str,
    secret: &str,
    now: i64,
) -> Result<Option<UploadSession>, StoreError> {
    let sql = "SELECT secret, drive_id, path, on_conflict, size, received, expires_at FROM upload_sessions
               WHERE id = ?1 AND expires_at > ?2";
    let read = |row: &Row<'_>| {
        let on_conflict: String = row.get(3)?;
        let session = UploadSession {
            id: id.to_owned(),
            drive_id: row.get(1)?,
            path: row.get(2)?,
            on_conflict: OnConflict::parse(&on_conflict).unwrap_or(OnConflict::Fail),
            size: row.get(4)?,
            received: row.get(5)?,
            expires_at: row.get(6)?,
        };
        Ok((row.get::<_, Vec<u8>>(0)?, session))
    };
    let found = connection.prepare_cached(sql)?.query_row(params![id, now], read).optional()?;
    let is_known = |kept: &[u8]| kept.ct_eq(digest(&SHA256, secret.as_bytes()).as_ref()).into();
    Ok(found.filter(|(kept, _)| is_known(kept)).map(|(_, session)| session))
}

/// Adds the next slice of an upload, whose members are those after it.
pub(crate) fn add_slice(
    connection: &Connection,
    session: &UploadSession,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    connection.prepare_cached("INSERT INTO upload_slices VALUES (?1, ?2, ?3)")?.execute(params![
        session.id,
        session.received - length,
        bytes
    ])?;
    connection
        .prepare_cached("UPDATE upload_sessions SET size = ?2, received = ?3, expires_at = ?4 WHERE id = ?1")?
        .execute(params![session.id, session.size, session.received, session.expires_at])?;
    Ok(())
}

/// The digest of everything that an upload brought, in hexadecimal capitals. Reads one slice after the other.
pub(crate) fn sha256_of(connection: &Connection, session: &str) -> Result<String, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM upload_slices WHERE session_id = ?1 ORDER BY first")?;
    let mut rows = statement.query([session])?;
    let mut context = Context::new(&SHA256);
    while let Some(row) = rows.next()? {
        context.update(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02X}")).collect())
}

/// Ends an upload whose file has a path, and forgets its bytes but the digest of the last slice.
pub(crate) fn complete(connection: &Connection, session: &str, path: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE upload_sessions SET path = ?2 WHERE id = ?1")?
        .execute([session, path])?;
    let sql = "SELECT first, bytes FROM upload_slices WHERE session_id = ?1 ORDER BY first DESC LIMIT 1";
    let last = connection.prepare_cached(sql)?.query_row([session], |row| {
        let last = digest(&SHA256, row.get_ref(1)?.as_blob()?);
        Ok((row.get::<_, i64>(0)?, last))
    })?;
    connection.prepare_cached("DELETE FROM upload_slices WHERE session_id = ?1")?.execute([session])?;
    connection.prepare_cached("INSERT INTO upload_slices VALUES (?1, ?2, ?3)")?.execute(params![
        session,
        last.0,
        last.1.as_ref()
    ])?;
    Ok(())
}

/// Whether a complete upload ended with these bytes from that place on.
pub(crate) fn is_last_slice(
    connection: &Connection,
    session: &str,
    first: i64,
    bytes: &[u8],
) -> Result<bool, StoreError> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM upload_slices WHERE session_id = ?1 AND first = ?2 AND bytes = ?3)";
    let last = digest(&SHA256, bytes);
    Ok(connection.prepare_cached(sql)?.query_row(params![session, first, last.as_ref()], |row| row.get(0))?)
}

/// Ends an upload and forgets its bytes.
pub(crate) fn end(connection: &Connection, session: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM upload_sessions WHERE id = ?1")?.execute([session])?;
    Ok(())
}
