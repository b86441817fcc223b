//! What the directory API has no place for: the subject names that an application trusts, and revocation at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};
use super::extract::{Path, Query};
use crate::authority::{check_authorities, unix_seconds};
use crate::store::{StoreError, TrustedSubject, trusted_subjects};

/// A name is no longer than the platform's.
const MAX_NAME_CHARS: usize = 600;

/// A subject name to be trusted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSubject {
    subject_name: String,
    /// PEM.
    certificate_authorities: String,
    #[serde(default)]
    revoked_serial_numbers: Vec<String>,
}

/// The subject name to be trusted no more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WhichSubject {
    subject_name: String,
}

/// Where tokens are to be revoked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Where {
    tenant_id: Option<String>,
}

pub(super) async fn list_subjects(
    State(admin): State<Arc<Admin>>,
    Path(client_id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || subjects(&admin, &object_id(&admin, &client_id)?)).await
}

pub(super) async fn trust_subject(
    State(admin): State<Arc<Admin>>,
    Path(client_id): Path<String>,
    subject: Result<Json<NewSubject>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(subject) = subject.map_err(|error| Refusal::invalid(error.body_text()))?;
    let subject = checked(subject)?;
    blocking(move || {
        let application = object_id(&admin, &client_id)?;
        admin.store.write(|transaction| trusted_subjects::put(transaction, &application, &subject))?;
        Ok((StatusCode::CREATED, subjects(&admin, &application)?))
    })
    .await
}

pub(super) async fn distrust_subject(
    State(admin): State<Arc<Admin>>,
    Path(client_id): Path<String>,
    Query(which): Query<WhichSubject>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let application = object_id(&admin, &client_id)?;
        let name = which.subject_name.trim();
        let was_there =
            admin.store.write(|transaction| trusted_subjects::delete(transaction, &application, name))?;
        match was_there {
            true => subjects(&admin, &application),
            false => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                "the application does not trust this subject name",
            )),
        }
    })
    .await
}

/// Revokes what the application got until now, as the platform does when it takes it for compromised.
pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path(client_id): Path<String>,
    Query(place): Query<Where>,
) -> Result<Json<Value>, Refusal> {
    let now = unix_seconds(admin.control.clock().now());
    blocking(move || {
        let count = admin.store.revoke_application(&client_id, place.tenant_id.as_deref(), now)?;
        match count {
            0 => Err(unknown()),
            _ => Ok(Json(json!({ "servicePrincipals": count, "revokedAt": now }))),
        }
    })
    .await
}

fn object_id(admin: &Admin, client_id: &str) -> Result<String, Refusal> {
    let application = admin.store.application_by_app_id(client_id)?;
    application.map(|application| application.id().to_owned()).ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", "there is no application with this client ID")
}

fn subjects(admin: &Admin, application: &str) -> Result<Json<Value>, Refusal> {
    let subjects: Result<_, StoreError> = admin.store.trusted_subjects(application);
    Ok(Json(json!({ "trustedSubjects": subjects? })))
}

fn checked(subject: NewSubject) -> Result<TrustedSubject, Refusal> {
    let NewSubject { subject_name, certificate_authorities, revoked_serial_numbers } = subject;
    let subject_name = subject_name.trim().to_owned();
    if subject_name.is_empty() || subject_name.chars().count() > MAX_NAME_CHARS {
        return Err(Refusal::invalid("subjectName is empty or longer than 600 characters"));
    }
    check_authorities(&certificate_authorities)
        .map_err(|reason| Refusal::invalid(format!("certificateAuthorities: {reason}")))?;
    let revoked = revoked_serial_numbers.iter().map(|number| {
        let plain: String = number.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        let is_hexadecimal = !plain.is_empty()
            && plain.len().is_multiple_of(2)
            && plain.chars().all(|c| c.is_ascii_hexdigit());
        match is_hexadecimal {
            true => Ok(plain.to_ascii_uppercase()),
            false => Err(Refusal::invalid(format!("`{number}` is no serial number in hexadecimal digits"))),
        }
    });
    let revoked_serial_numbers = revoked.collect::<Result<_, _>>()?;
    Ok(TrustedSubject { subject_name, certificate_authorities, revoked_serial_numbers })
}
