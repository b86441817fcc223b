//! Named values of the sandbox itself: the port, the signing keys.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

/// What is drawn at random once: the key of links to pages and changes, and what the hosts of managed identities are asked
/// with.
pub(crate) const SECRETS: [&str; 3] = ["skip-token-key", "identity-header", "arc-key"];

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
    pub(crate) fn secret_setting(&self, name: &'static str) -> Result<Arc<[u8]>, StoreError> {
        let read = || Ok::<_, StoreError>(self.setting(name)?.map(Arc::from));
        if let Some(value) = self.caches.secrets.get_or_read(self, name, read)? {
            return Ok(value);
        }
        let mut fresh = vec![0; 32];
        aws_lc_rs::rand::fill(&mut fresh)
            .map_err(|_| StoreError::corrupt("the random number generator failed"))?;
        self.write(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO settings VALUES (?1, ?2)", params![name, fresh])?;
            let sql = "SELECT value FROM settings WHERE name = ?1";
            Ok(transaction.query_row(sql, [name], |row| row.get::<_, Vec<u8>>(0))?.into())
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
