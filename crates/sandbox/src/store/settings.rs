//! Named values of the sandbox itself: the port, the signing keys.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

impl Store {
    /// The value of a setting.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?)
        })
    }

    /// 32 random bytes under a name, drawn when they are first asked for and kept.
    pub(crate) fn secret_setting(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(value) = self.setting(name)? {
            return Ok(value);
        }
        let mut fresh = vec![0; 32];
        aws_lc_rs::rand::fill(&mut fresh)
            .map_err(|_| StoreError::corrupt("the random number generator failed"))?;
        self.write(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO settings VALUES (?1, ?2)", params![name, fresh])?;
            Ok(transaction
                .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))?)
        })
    }

    /// Sets it, whatever it was.
    pub(crate) fn set_setting(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", params![name, value])?;
            Ok(())
        })
    }
}
