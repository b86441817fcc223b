//! Tenants beside the one that the sandbox began with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};

/// A tenant to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    name: String,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    blocking(move || Ok(Json(json!({ "tenants": admin.tenants.list()? })))).await
}

pub(super) async fn add(
    State(admin): State<Arc<Admin>>,
    tenant: Result<Json<NewTenant>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(tenant) = tenant.map_err(|error| Refusal::invalid(error.body_text()))?;
    blocking(move || {
        let access = admin.tenants.add(&tenant.name).map_err(|error| match error.is_tenant_refused() {
            true => Refusal::invalid(error.to_string()).hint(error.remedy().unwrap_or_default()),
            false => error.into(),
        })?;
        Ok((StatusCode::CREATED, Json(json!(access))))
    })
    .await
}
