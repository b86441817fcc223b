//! When the tokens of a service principal were revoked: it was disabled or deleted, or an administrator said so.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// No reference to the service principal: its deletion is one of the events.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS revocations (
    service_principal_id TEXT PRIMARY KEY COLLATE NOCASE,
    revoked_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

impl Store {
    /// The last time at which the tokens of a service principal were revoked, in Unix seconds.
    pub(crate) fn revoked_at(&self, service_principal: &str) -> Result<Option<i64>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT revoked_at FROM revocations WHERE service_principal_id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([service_principal], |row| row.get(0)).optional()?)
        })
    }
}

/// Revokes every token that a service principal got before `now`. To be called in the transaction that disables or
/// deletes it.
pub(crate) fn revoke(connection: &Connection, service_principal: &str, now: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO revocations VALUES (?1, ?2)")?
        .execute(params![service_principal, now])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_revocation_counts() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.revoked_at("a").unwrap(), None);
        store.write(|it| revoke(it, "a", 5).and_then(|()| revoke(it, "a", 9))).unwrap();
        assert_eq!(store.revoked_at("A").unwrap(), Some(9));
    }
}
