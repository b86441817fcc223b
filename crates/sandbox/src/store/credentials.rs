//! Secrets and certificates of applications and of service principals. A secret is kept as a salted digest only.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand;
use rusqlite::{Connection, OptionalExtension, params};
use subtle::ConstantTimeEq;
use unattended_core::Secret;

use super::{Store, StoreError, Table, changes};

/// Those of service principals, like the tables of applications' own.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS principal_password_credentials (
    key_id       TEXT PRIMARY KEY,
    tenant_id    TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES service_principals (id) ON DELETE CASCADE,
    display_name TEXT,
    hint         TEXT NOT NULL,
    salt         BLOB NOT NULL,
    digest       BLOB NOT NULL,
    starts_at    INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS principal_password_credentials_by_principal
    ON principal_password_credentials (principal_id);
CREATE TABLE IF NOT EXISTS principal_key_credentials (
    principal_id      TEXT NOT NULL REFERENCES service_principals (id) ON DELETE CASCADE,
    key_id            TEXT NOT NULL,
    tenant_id         TEXT NOT NULL,
    display_name      TEXT,
    certificate       BLOB NOT NULL,
    thumbprint_sha1   BLOB NOT NULL,
    thumbprint_sha256 BLOB NOT NULL,
    starts_at         INTEGER NOT NULL,
    ends_at           INTEGER NOT NULL,
    PRIMARY KEY (principal_id, key_id)
) STRICT, WITHOUT ROWID;
";

/// Whose credentials they are, by object id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Holder<'a> {
    Application(&'a str),
    ServicePrincipal(&'a str),
}

impl Holder<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Application(id) | Self::ServicePrincipal(id) => id,
        }
    }

    fn table(&self) -> Table {
        match self {
            Self::Application(_) => Table::Applications,
            Self::ServicePrincipal(_) => Table::ServicePrincipals,
        }
    }

    /// What the names of the tables begin with, and the column of the id.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Application(_) => ("", "application_id"),
            Self::ServicePrincipal(_) => ("principal_", "principal_id"),
        }
    }
}

/// What a secret is made of.
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

/// How long a secret is, in characters.
const SECRET_LENGTH: usize = 40;

/// A client secret without the secret.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PasswordCredential {
    /// GUID.
    pub(crate) key_id: String,
    pub(crate) display_name: Option<String>,
    /// The first three characters.
    pub(crate) hint: String,
    salt: Vec<u8>,
    digest: Vec<u8>,
    pub(crate) starts_at: i64,
    pub(crate) ends_at: i64,
}

impl PasswordCredential {
    /// Draws a new secret of 40 characters.
    pub(crate) fn generate(
        key_id: String,
        display_name: Option<String>,
        starts_at: i64,
        ends_at: i64,
    ) -> Result<(Self, Secret), StoreError> {
        let (mut letters, mut salt) = (vec![0; SECRET_LENGTH], vec![0; 16]);
        for bytes in [&mut letters, &mut salt] {
            rand::fill(bytes).map_err(|_| StoreError::corrupt("the random number generator failed"))?;
        }
        for letter in &mut letters {
            *letter = SECRET_ALPHABET[usize::from(*letter % 64)];
        }
        // The place and form by which secret scanners know these.
        letters[3..6].copy_from_slice(b"8Q~");
        let hint = String::from_utf8_lossy(&letters[..3]).into_owned();
        let digest = salted_digest(&salt, &letters);
        let credential = Self { key_id, display_name, hint, salt, digest, starts_at, ends_at };
        Ok((credential, Secret::new(letters)))
    }

    /// Whether this is the secret, whatever its dates.
    pub(crate) fn matches(&self, secret: &Secret) -> bool {
        salted_digest(&self.salt, secret.expose()).ct_eq(&self.digest).into()
    }

    /// Whether it may be used at that time.
    pub(crate) fn is_valid_at(&self, now: i64) -> bool {
        (self.starts_at..self.ends_at).contains(&now)
    }
}

impl fmt::Debug for PasswordCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCredential").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A certificate whose key may sign assertions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyCredential {
    /// GUID.
    pub(crate) key_id: String,
    pub(crate) display_name: Option<String>,
    /// X.509 certificate in DER.
    pub(crate) certificate: Vec<u8>,
    pub(crate) thumbprint_sha1: Vec<u8>,
    pub(crate) thumbprint_sha256: Vec<u8>,
    pub(crate) starts_at: i64,
    pub(crate) ends_at: i64,
}

impl KeyCredential {
    /// Takes a certificate in DER that was read before.
    pub(crate) fn new(
        key_id: String,
        display_name: Option<String>,
        certificate: Vec<u8>,
        starts_at: i64,
        ends_at: i64,
    ) -> Self {
        let thumbprint_sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate).as_ref().to_vec();
        let thumbprint_sha256 = digest(&SHA256, &certificate).as_ref().to_vec();
        Self { key_id, display_name, certificate, thumbprint_sha1, thumbprint_sha256, starts_at, ends_at }
    }
}

impl Store {
    /// The secrets of an application or a service principal, oldest start first, expired ones among them.
    pub(crate) fn password_credentials(
        &self,
        holder: Holder<'_>,
    ) -> Result<Arc<[PasswordCredential]>, StoreError> {
        let found = self.caches.passwords.get_or_read(self, holder.id().to_owned(), || {
            self.read(|connection| Ok::<_, StoreError>(Some(passwords(connection, holder)?.into())))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The certificates of an application or a service principal, oldest start first, expired ones among them.
    pub(crate) fn key_credentials(&self, holder: Holder<'_>) -> Result<Arc<[KeyCredential]>, StoreError> {
        let found = self.caches.keys.get_or_read(self, holder.id().to_owned(), || {
            self.read(|connection| Ok::<_, StoreError>(Some(keys(connection, holder)?.into())))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Gives an application (by object id) a further secret.
    pub(crate) fn add_password(
        &self,
        tenant: &str,
        application: &str,
        credential: &PasswordCredential,
    ) -> Result<(), StoreError> {
        let holder = Holder::Application(application);
        self.write(|transaction| insert_password(transaction, tenant, holder, credential))
    }
}

pub(crate) fn passwords(
    connection: &Connection,
    holder: Holder<'_>,
) -> Result<Vec<PasswordCredential>, StoreError> {
    let (prefix, column) = holder.names();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT key_id, display_name, hint, salt, digest, starts_at, ends_at FROM {prefix}password_credentials
         WHERE {column} = ?1 ORDER BY starts_at, key_id"
    ))?;
    let rows = statement.query_map([holder.id()], |row| {
        Ok(PasswordCredential {
            key_id: row.get(0)?,
            display_name: row.get(1)?,
            hint: row.get(2)?,
            salt: row.get(3)?,
            digest: row.get(4)?,
            starts_at: row.get(5)?,
            ends_at: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn keys(connection: &Connection, holder: Holder<'_>) -> Result<Vec<KeyCredential>, StoreError> {
    let (prefix, column) = holder.names();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT key_id, display_name, certificate, thumbprint_sha1, thumbprint_sha256, starts_at, ends_at
         FROM {prefix}key_credentials WHERE {column} = ?1 ORDER BY starts_at, key_id"
    ))?;
    let rows = statement.query_map([holder.id()], |row| {
        Ok(KeyCredential {
            key_id: row.get(0)?,
            display_name: row.get(1)?,
            certificate: row.get(2)?,
            thumbprint_sha1: row.get(3)?,
            thumbprint_sha256: row.get(4)?,
            starts_at: row.get(5)?,
            ends_at: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn insert_password(
    connection: &Connection,
    tenant: &str,
    holder: Holder<'_>,
    credential: &PasswordCredential,
) -> Result<(), StoreError> {
    let (prefix, _) = holder.names();
    connection.execute(
        &format!("INSERT INTO {prefix}password_credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
        params![
            credential.key_id,
            tenant,
            holder.id(),
            credential.display_name,
            credential.hint,
            credential.salt,
            credential.digest,
            credential.starts_at,
            credential.ends_at
        ],
    )?;
    changes::touched(connection, tenant, holder.table(), holder.id(), &["passwordCredentials"])
}

/// Removes a secret; whether there was one.
pub(crate) fn delete_password(
    connection: &Connection,
    holder: Holder<'_>,
    key_id: &str,
) -> Result<bool, StoreError> {
    let (prefix, column) = holder.names();
    let tenant: Option<String> = connection
        .prepare_cached(&format!(
            "DELETE FROM {prefix}password_credentials WHERE {column} = ?1 AND key_id = lower(?2)
             RETURNING tenant_id"
        ))?
        .query_row(params![holder.id(), key_id], |row| row.get(0))
        .optional()?;
    let Some(tenant) = tenant else { return Ok(false) };
    changes::touched(connection, &tenant, holder.table(), holder.id(), &["passwordCredentials"])?;
    Ok(true)
}

/// Replaces all certificates of an application or a service principal.
pub(crate) fn replace_keys(
    connection: &Connection,
    tenant: &str,
    holder: Holder<'_>,
    credentials: &[KeyCredential],
) -> Result<(), StoreError> {
    let (prefix, column) = holder.names();
    connection.execute(&format!("DELETE FROM {prefix}key_credentials WHERE {column} = ?1"), [holder.id()])?;
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO {prefix}key_credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    ))?;
    for credential in credentials {
        statement.execute(params![
            holder.id(),
            credential.key_id,
            tenant,
            credential.display_name,
            credential.certificate,
            credential.thumbprint_sha1,
            credential.thumbprint_sha256,
            credential.starts_at,
            credential.ends_at
        ])?;
    }
    changes::touched(connection, tenant, holder.table(), holder.id(), &["keyCredentials"])
}

fn salted_digest(salt: &[u8], secret: &[u8]) -> Vec<u8> {
    digest(&SHA256, &[salt, secret].concat()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_again_but_cannot_be_read_back() {
        let (credential, secret) = PasswordCredential::generate("id".into(), None, 10, 20).unwrap();
        assert_eq!(secret.expose().len(), 40);
        assert!(secret.expose_text().unwrap().starts_with(&credential.hint));
        assert!(credential.matches(&secret));
        assert!(!credential.matches(&Secret::from("something else")));
        assert!(!format!("{credential:?}").contains(secret.expose_text().unwrap()));
        assert_eq!([9, 10, 19, 20].map(|now| credential.is_valid_at(now)), [false, true, true, false]);
    }
}
