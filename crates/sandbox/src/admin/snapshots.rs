//! Snapshots, and the way back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};
use super::extract::Path;
use crate::snapshots::{START, SnapshotError};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    blocking(move || Ok(Json(json!({ "snapshots": admin.snapshots.list()? })))).await
}

pub(super) async fn take(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(move || {
        admin.snapshots.take(&name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(move || {
        admin.snapshots.remove(&name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn restore(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(move || {
        admin.snapshots.restore(&name)?;
        admin.control.reload()?;
        admin.tenants.ensure_administrators()?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Back to how the sandbox began, journal and faults included.
pub(super) async fn reset(State(admin): State<Arc<Admin>>) -> Result<StatusCode, Refusal> {
    blocking(move || {
        admin.snapshots.restore(START)?;
        admin.control.reload()?;
        admin.tenants.ensure_administrators()?;
        admin.faults.clear();
        admin.journal.clear();
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

impl From<SnapshotError> for Refusal {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Name => Self::invalid("a snapshot's name has 1 to 64 small letters, digits and hyphens"),
            SnapshotError::Missing(name) if name == START => Self::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                "there is no snapshot of how the sandbox began",
            )
            .hint("a tenant with very many people is not copied at its start; stop the sandbox and reset its directory"),
            SnapshotError::Missing(name) => {
                Self::new(StatusCode::NOT_FOUND, "NotFound", format!("there is no snapshot `{name}`"))
            }
            SnapshotError::Sandbox(error) => error.into(),
        }
    }
}
