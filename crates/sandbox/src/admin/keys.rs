//! The keys that sign tokens: publish the next one, let it sign, revoke one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};
use super::extract::Path;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(json!({ "keys": admin.keys.list() }))
}

pub(super) async fn prepublish(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    let now = admin.control.clock().now();
    blocking(move || Ok(Json(json!({ "keys": admin.keys.prepublish(&admin.store, now)? })))).await
}

pub(super) async fn rotate(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    let now = admin.control.clock().now();
    blocking(move || Ok(Json(json!({ "keys": admin.keys.rotate(&admin.store, now)? })))).await
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path(kid): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let now = admin.control.clock().now();
    blocking(move || {
        let missing = || Refusal::new(StatusCode::NOT_FOUND, "NotFound", "there is no key with this `kid`");
        let keys = admin.keys.revoke(&admin.store, &kid, now)?.ok_or_else(missing)?;
        Ok(Json(json!({ "keys": keys })))
    })
    .await
}
