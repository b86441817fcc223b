//! Trust by subject name and issuer: which names an application's certificates may have, and who must have issued them.
//! A certificate that is renewed under the same name needs no new registration.

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{Store, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS trusted_subjects (
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    subject_name   TEXT NOT NULL COLLATE NOCASE,
    authorities    TEXT NOT NULL,
    revoked        TEXT NOT NULL,
    PRIMARY KEY (application_id, subject_name)
) STRICT, WITHOUT ROWID;
";

/// One name that an application's certificates may have.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrustedSubject {
    /// The common name, a DNS name, or the whole subject as RFC 4514 writes it. Case does not count.
    pub(crate) subject_name: String,
    /// The certificates that one of them must chain to, in PEM.
    pub(crate) certificate_authorities: String,
    /// Certificates of that name that are good no more, by serial number in hexadecimal capitals.
    pub(crate) revoked_serial_numbers: Vec<String>,
}

impl Store {
    /// The names that an application (by object id) trusts, in alphabetical order.
    pub(crate) fn trusted_subjects(&self, application: &str) -> Result<Vec<TrustedSubject>, StoreError> {
        self.read(|connection| list(connection, application))
    }
}

/// Adds a name, or replaces what is trusted of it.
pub(crate) fn put(
    connection: &Connection,
    application: &str,
    subject: &TrustedSubject,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO trusted_subjects VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (application_id, subject_name)
             DO UPDATE SET subject_name = ?2, authorities = ?3, revoked = ?4",
        )?
        .execute(params![
            application,
            subject.subject_name,
            subject.certificate_authorities,
            serde_json::to_string(&subject.revoked_serial_numbers)?
        ])?;
    Ok(())
}

/// Removes a name; whether it was there.
pub(crate) fn delete(
    connection: &Connection,
    application: &str,
    subject_name: &str,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM trusted_subjects WHERE application_id = ?1 AND subject_name = ?2";
    Ok(connection.prepare_cached(sql)?.execute([application, subject_name])? > 0)
}

fn list(connection: &Connection, application: &str) -> Result<Vec<TrustedSubject>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT subject_name, authorities, revoked FROM trusted_subjects
         WHERE application_id = ?1 ORDER BY subject_name",
    )?;
    let rows = statement.query_map([application], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter()
        .map(|(subject, revoked)| {
            Ok(TrustedSubject { revoked_serial_numbers: serde_json::from_str(&revoked)?, ..subject })
        })
        .collect()
}

/// The name without the revoked serial numbers, and these as JSON.
fn read(row: &Row<'_>) -> rusqlite::Result<(TrustedSubject, String)> {
    let subject = TrustedSubject {
        subject_name: row.get(0)?,
        certificate_authorities: row.get(1)?,
        revoked_serial_numbers: Vec::new(),
    };
    Ok((subject, row.get(2)?))
}
