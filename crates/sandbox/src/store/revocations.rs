//! When the tokens of a service principal were revoked: those that began before are good no more for clients that
//! handle claims challenges (continuous access evaluation).

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// Outlives the service principal, which may be restored.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS revocations (
    service_principal_id TEXT PRIMARY KEY COLLATE NOCASE,
    revoked_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Revokes what an application got in every tenant until now, or in one; how many service principals that were.
    pub(crate) fn revoke_application(
        &self,
        app_id: &str,
        tenant: Option<&str>,
        now: i64,
    ) -> Result<usize, StoreError> {
        self.write(|connection| {
            let ids: Vec<String> = connection
                .prepare_cached(
                    "SELECT id FROM service_principals
                     WHERE app_id = ?1 AND (?2 IS NULL OR tenant_id = lower(?2))",
                )?
                .query_map(params![app_id, tenant], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for id in &ids {
                revoke(connection, id, now)?;
            }
            Ok(ids.len())
        })
    }
}

/// Revokes what a service principal got until now.
pub(crate) fn revoke(connection: &Connection, service_principal: &str, now: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO revocations VALUES (?1, ?2)
             ON CONFLICT (service_principal_id) DO UPDATE SET revoked_at = max(revoked_at, ?2)",
        )?
        .execute(params![service_principal, now])?;
    Ok(())
}

/// Until when the tokens of a service principal are revoked, in Unix seconds.
pub(crate) fn revoked_at(
    connection: &Connection,
    service_principal: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT revoked_at FROM revocations WHERE service_principal_id = ?1")?
        .query_row([service_principal], |row| row.get(0))
        .optional()?)
}
