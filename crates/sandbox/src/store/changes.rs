//! The log of changes, from which delta queries answer: one row for each object, at its last change.
//!
//! A change takes the next number of one sequence and moves the row of its object there, so that the log is never
//! longer than there are objects that ever changed, and what happened since a number is one range of an index. Which
//! property changed when is kept in the row. People who moved in with the tenant are in no row: whoever asks for the
//! first time reads the objects themselves.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::{StoreError, Table};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS changes (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    appeared   INTEGER NOT NULL,
    removal    TEXT,
    properties TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS changes_by_object ON changes (tenant_id, kind, object_id);
CREATE INDEX IF NOT EXISTS changes_in_order ON changes (tenant_id, kind, seq);
";

/// How an object went away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Removal {
    /// It can be restored.
    Soft,
    Permanent,
}

/// The last change of one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) seq: i64,
    pub(crate) object_id: String,
    /// When it was made or restored; 0 if that was before its first change.
    pub(crate) appeared: i64,
    pub(crate) removal: Option<Removal>,
    /// When each property changed last.
    properties: Map<String, Value>,
}

impl Change {
    /// Whether a property changed after a number of the sequence.
    pub(crate) fn touched(&self, property: &str, since: i64) -> bool {
        self.properties.get(property).and_then(Value::as_i64).is_some_and(|seq| seq > since)
    }
}

/// The setting that holds what restored snapshots undid: ranges of numbers, each with the last one before it and its own
/// last one.
const UNDONE: &str = "undone-changes";

/// After a snapshot was restored: what came behind it up to a number is undone. Numbers go on behind that one, so that
/// none ever means two changes.
pub(super) fn undo(connection: &mut Connection, last: i64) -> Result<(), StoreError> {
    let first = head(connection)?;
    if last <= first {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    let mut ranges = undone(&transaction)?;
    ranges.push((first, last));
    let json = serde_json::to_vec(&ranges)?;
    transaction.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", params![UNDONE, json])?;
    let sequence = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'changes'";
    if transaction.execute(sequence, [last])? == 0 {
        transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('changes', ?1)", [last])?;
    }
    Ok(transaction.commit()?)
}

/// Whether who knows everything up to a number knows nothing that never was: that number is not undone, nor yet to come.
pub(crate) fn is_past(connection: &Connection, seq: i64) -> Result<bool, StoreError> {
    let is_undone = undone(connection)?.iter().any(|(first, last)| *first < seq && seq <= *last);
    Ok(!is_undone && seq <= head(connection)?)
}

fn undone(connection: &Connection) -> Result<Vec<(i64, i64)>, StoreError> {
    let found: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row([UNDONE], |row| row.get(0))
        .optional()?;
    found.map_or(Ok(Vec::new()), |json| Ok(serde_json::from_slice(&json)?))
}

/// The number of the last change; 0 before the first one.
pub(crate) fn head(connection: &Connection) -> Result<i64, StoreError> {
    let found = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The changes of a tenant's objects after a number of the sequence, in order.
pub(crate) fn after(
    connection: &Connection,
    tenant: &str,
    table: Table,
    seq: i64,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, object_id, appeared, removal, properties FROM changes
         WHERE tenant_id = ?1 AND kind = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![tenant, table.name(), seq, limit], read)?;
    rows.map(|row| parse(row?)).collect()
}

/// Notes that an object was made or restored.
pub(super) fn appeared(
    connection: &Connection,
    tenant: &str,
    table: Table,
    id: &str,
) -> Result<(), StoreError> {
    record(connection, tenant, table, id, |change, seq| {
        change.appeared = seq;
        change.removal = None;
        change.properties.clear();
    })
}

/// Notes that properties of an object have other values.
pub(crate) fn touched(
    connection: &Connection,
    tenant: &str,
    table: Table,
    id: &str,
    properties: &[&str],
) -> Result<(), StoreError> {
    record(connection, tenant, table, id, |change, seq| {
        change.properties.extend(properties.iter().map(|name| ((*name).to_owned(), seq.into())));
    })
}

/// Notes that an object is gone.
pub(super) fn removed(
    connection: &Connection,
    tenant: &str,
    table: Table,
    id: &str,
    removal: Removal,
) -> Result<(), StoreError> {
    record(connection, tenant, table, id, |change, _| {
        change.removal = Some(removal);
        change.properties.clear();
    })
}

/// Moves the row of an object to the end of the log. The connection is in a writing transaction.
fn record(
    connection: &Connection,
    tenant: &str,
    table: Table,
    id: &str,
    change: impl FnOnce(&mut Change, i64),
) -> Result<(), StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT seq, object_id, appeared, removal, properties FROM changes
             WHERE tenant_id = ?1 AND kind = ?2 AND object_id = ?3",
        )?
        .query_row(params![tenant, table.name(), id], read)
        .optional()?;
    let seq = head(connection)? + 1;
    let mut row = match found {
        Some(row) => parse(row)?,
        None => Change { seq, object_id: id.to_owned(), appeared: 0, removal: None, properties: Map::new() },
    };
    change(&mut row, seq);
    let removal = row.removal.map(|removal| match removal {
        Removal::Soft => "soft",
        Removal::Permanent => "permanent",
    });
    let properties = serde_json::to_string(&row.properties)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![seq, tenant, table.name(), id, row.appeared, removal, properties])?;
    Ok(())
}

type Columns = (i64, String, i64, Option<String>, String);

fn read(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn parse((seq, object_id, appeared, removal, properties): Columns) -> Result<Change, StoreError> {
    let removal = removal.map(|removal| match removal.as_str() {
        "soft" => Removal::Soft,
        _ => Removal::Permanent,
    });
    Ok(Change { seq, object_id, appeared, removal, properties: serde_json::from_str(&properties)? })
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn after_all(store: &Store, seq: i64) -> Vec<Change> {
        store.read(|connection| after(connection, "t", Table::Users, seq, 10)).unwrap()
    }

    #[test]
    fn the_log_holds_each_object_once_at_its_last_change() {
        let store = Store::in_memory().unwrap();
        store
            .write(|transaction| {
                appeared(transaction, "t", Table::Users, "a")?;
                appeared(transaction, "t", Table::Users, "b")?;
                touched(transaction, "t", Table::Users, "a", &["mail"])?;
                touched(transaction, "t", Table::Users, "a", &["city"])?;
                appeared(transaction, "other", Table::Users, "c")?;
                appeared(transaction, "t", Table::Applications, "d")
            })
            .unwrap();
        let changes = after_all(&store, 0);
        let ids: Vec<_> =
            changes.iter().map(|change| (change.object_id.as_str(), change.seq, change.appeared)).collect();
        assert_eq!(ids, [("b", 2, 2), ("a", 4, 1)]);
        assert!(changes[1].touched("mail", 2) && !changes[1].touched("mail", 3));
        assert!(changes[1].touched("city", 3) && !changes[1].touched("surname", 0));
        assert_eq!(store.read(head).unwrap(), 6);
    }

    #[test]
    fn numbers_never_come_twice_even_when_the_last_row_is_gone() {
        let store = Store::in_memory().unwrap();
        store
            .write(|transaction| {
                appeared(transaction, "t", Table::Users, "a")?;
                transaction.execute("DELETE FROM changes", [])?;
                removed(transaction, "t", Table::Users, "a", Removal::Permanent)
            })
            .unwrap();
        let changes = after_all(&store, 0);
        assert_eq!((changes[0].seq, changes[0].removal), (2, Some(Removal::Permanent)));
    }

    #[test]
    fn what_happened_since_is_one_range_of_an_index() {
        let store = Store::in_memory().unwrap();
        let plan: String = store
            .read(|connection| {
                let sql = "EXPLAIN QUERY PLAN SELECT seq FROM changes
                           WHERE tenant_id = 't' AND kind = 'users' AND seq > 7 ORDER BY seq LIMIT 9";
                Ok::<_, StoreError>(connection.query_row(sql, [], |row| row.get(3))?)
            })
            .unwrap();
        assert!(plan.contains("changes_in_order (tenant_id=? AND kind=? AND seq>?)"), "{plan}");
    }
}
