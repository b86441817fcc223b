//! Federated identity credentials: which tokens of other issuers an application may show instead of a secret.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS federated_credentials (
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    id             TEXT NOT NULL COLLATE NOCASE,
    name           TEXT NOT NULL,
    issuer         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    audiences      TEXT NOT NULL,
    description    TEXT,
    changed_at     INTEGER NOT NULL,
    PRIMARY KEY (application_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS federated_credentials_by_name ON federated_credentials (application_id, name);
CREATE UNIQUE INDEX IF NOT EXISTS federated_credentials_by_subject ON federated_credentials (application_id, issuer, subject);
";

/// One federated identity credential. Issuer, subject and audience are compared exactly, case and slashes included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FederatedCredential {
    /// GUID.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The `iss` of the tokens.
    pub(crate) issuer: String,
    /// Their `sub`.
    pub(crate) subject: String,
    /// One of these is their `aud`.
    pub(crate) audiences: Vec<String>,
    pub(crate) description: Option<String>,
    /// When it was made or last changed; it takes effect a while later. Unix seconds.
    pub(crate) changed_at: i64,
}

impl Store {
    /// The federated identity credentials of an application (by object id), by name.
    pub(crate) fn federated_credentials(
        &self,
        application: &str,
    ) -> Result<Vec<FederatedCredential>, StoreError> {
        self.read(|connection| list(connection, application))
    }
}

/// All of an application's (by object id), by name.
pub(crate) fn list(
    connection: &Connection,
    application: &str,
) -> Result<Vec<FederatedCredential>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, issuer, subject, audiences, description, changed_at FROM federated_credentials
         WHERE application_id = ?1 ORDER BY name",
    )?;
    let rows = statement.query_map([application], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(with_audiences).collect()
}

/// One of an application's, by id or by name.
pub(crate) fn find(
    connection: &Connection,
    application: &str,
    id_or_name: &str,
) -> Result<Option<FederatedCredential>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, name, issuer, subject, audiences, description, changed_at FROM federated_credentials
             WHERE application_id = ?1 AND (id = ?2 OR name = ?2)",
        )?
        .query_row([application, id_or_name], read)
        .optional()?;
    found.map(with_audiences).transpose()
}

/// Adds one, or replaces the one with its id; a name, or issuer and subject, that another one has is a conflict.
pub(crate) fn put(
    connection: &Connection,
    application: &str,
    credential: &FederatedCredential,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO federated_credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (application_id, id) DO UPDATE SET name = ?3, issuer = ?4, subject = ?5, audiences = ?6,
                description = ?7, changed_at = ?8",
        )?
        .execute(params![
            application,
            credential.id,
            credential.name,
            credential.issuer,
            credential.subject,
            serde_json::to_string(&credential.audiences)?,
            credential.description,
            credential.changed_at
        ])?;
    Ok(())
}

/// Removes one by id; whether there was one.
pub(crate) fn delete(connection: &Connection, application: &str, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM federated_credentials WHERE application_id = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute([application, id])? > 0)
}

/// The credential without its audiences, and these as JSON.
fn read(row: &Row<'_>) -> rusqlite::Result<(FederatedCredential, String)> {
    let credential = FederatedCredential {
        id: row.get(0)?,
        name: row.get(1)?,
        issuer: row.get(2)?,
        subject: row.get(3)?,
        audiences: Vec::new(),
        description: row.get(5)?,
        changed_at: row.get(6)?,
    };
    Ok((credential, row.get(4)?))
}

fn with_audiences(
    (credential, audiences): (FederatedCredential, String),
) -> Result<FederatedCredential, StoreError> {
    Ok(FederatedCredential { audiences: serde_json::from_str(&audiences)?, ..credential })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Seed, Table, objects};
    use super::*;

    fn credential(id: &str, name: &str, subject: &str) -> FederatedCredential {
        FederatedCredential {
            id: id.into(),
            name: name.into(),
            issuer: "https://issuer.example/".into(),
            subject: subject.into(),
            audiences: vec!["api://AzureADTokenExchange".into()],
            description: None,
            changed_at: 7,
        }
    }

    #[test]
    fn an_application_has_federated_credentials_until_it_goes() {
        const TENANT: &str = "11111111-2222-4333-8444-555555555555";
        let store = Store::in_memory().unwrap();
        let entropy = unattended_core::SeededEntropy::new(1);
        let seed = Seed {
            tenant_id: TENANT.into(),
            domain: "contoso.onmicrosoft.com".into(),
            display_name: "Contoso".into(),
            users: 0,
            people_seed: 0,
            now: 0,
            entropy: &entropy,
        };
        store.seed(&seed).unwrap();
        store
            .write(|it| {
                let application = json!({ "id": "a", "appId": "b", "displayName": "c" });
                objects::insert(it, Table::Applications, TENANT, application.as_object().unwrap())?;
                put(it, "a", &credential("1", "build", "repo:a"))?;
                put(it, "a", &credential("2", "deploy", "repo:A"))?;
                assert!(put(it, "a", &credential("3", "build", "repo:b")).unwrap_err().is_conflict());
                assert!(put(it, "a", &credential("3", "other", "repo:a")).unwrap_err().is_conflict());
                put(it, "a", &credential("2", "deploy", "repo:c"))?;
                assert_eq!(
                    list(it, "a")?,
                    [credential("1", "build", "repo:a"), credential("2", "deploy", "repo:c")]
                );
                assert_eq!(find(it, "a", "deploy")?, find(it, "a", "2")?);
                assert!(delete(it, "a", "2")? && !delete(it, "a", "2")?);
                objects::delete(it, Table::Applications, TENANT, "a")?;
                assert_eq!(list(it, "a")?, []);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
