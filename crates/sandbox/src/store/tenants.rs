//! Tenants and their domains.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// A tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tenant {
    /// GUID, lower case.
    pub(crate) id: String,
    pub(crate) display_name: String,
    /// Verified domains, the initial one first.
    pub(crate) domains: Vec<String>,
    pub(crate) created_at: i64,
}

impl Tenant {
    /// The domain the tenant began with.
    pub(crate) fn initial_domain(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }
}

impl Store {
    /// Finds a tenant by GUID or by any of its domains, ignoring case.
    pub(crate) fn tenant(&self, guid_or_domain: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        self.caches.tenants.get_or_read(self, guid_or_domain.to_owned(), || {
            self.read(|connection| Ok(find(connection, guid_or_domain)?.map(Arc::new)))
        })
    }

    /// Every tenant, oldest first.
    pub(crate) fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT id FROM tenants ORDER BY created_at, id")?;
            let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            ids.iter().filter_map(|id| find(connection, id).transpose()).collect()
        })
    }
}

pub(super) fn insert(connection: &Connection, tenant: &Tenant) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO tenants VALUES (?1, ?2, ?3)",
        params![tenant.id, tenant.display_name, tenant.created_at],
    )?;
    for (index, domain) in tenant.domains.iter().enumerate() {
        connection
            .execute("INSERT INTO domains VALUES (?1, ?2, ?3)", params![domain, tenant.id, index == 0])?;
    }
    Ok(())
}

pub(crate) fn find(connection: &Connection, guid_or_domain: &str) -> Result<Option<Tenant>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, display_name, created_at FROM tenants
             WHERE id = lower(?1) OR id = (SELECT tenant_id FROM domains WHERE name = ?1)",
        )?
        .query_row([guid_or_domain], |row| {
            Ok(Tenant {
                id: row.get(0)?,
                display_name: row.get(1)?,
                domains: Vec::new(),
                created_at: row.get(2)?,
            })
        })
        .optional()?;
    let Some(mut tenant) = found else {
        return Ok(None);
    };
    let mut statement = connection
        .prepare_cached("SELECT name FROM domains WHERE tenant_id = ?1 ORDER BY is_initial DESC, name")?;
    tenant.domains = statement.query_map([&tenant.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(tenant))
}
