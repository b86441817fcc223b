//! Settings, time and faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};
use crate::control::keys::parse_offset;
use crate::faults::OneShot;

pub(super) async fn read(State(admin): State<Arc<Admin>>) -> Json<BTreeMap<&'static str, String>> {
    Json(admin.control.settings().to_map())
}

pub(super) async fn change(
    State(admin): State<Arc<Admin>>,
    changes: Result<Json<BTreeMap<String, Value>>, JsonRejection>,
) -> Result<Json<BTreeMap<&'static str, String>>, Refusal> {
    let Json(changes) = changes.map_err(|error| Refusal::invalid(error.body_text()))?;
    // Numbers and booleans are no mistake: people write 0.2 and not "0.2".
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Bool(switch) => if switch { "on" } else { "off" }.to_owned(),
        other => other.to_string(),
    };
    let changes: Vec<(String, String)> =
        changes.into_iter().map(|(name, value)| (name, text(value))).collect();
    blocking(move || {
        let changes = changes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Json(admin.control.set(changes)?.to_map()))
    })
    .await
}

pub(super) async fn clock(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(time(&admin))
}

/// A journey through time: by a length or to a moment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Journey {
    By(String),
    To(String),
}

pub(super) async fn travel(
    State(admin): State<Arc<Admin>>,
    journey: Result<Json<Journey>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let Json(journey) = journey.map_err(|error| Refusal::invalid(error.body_text()))?;
    blocking(move || {
        let by = match journey {
            Journey::By(length) => {
                parse_offset(&length).map_err(|reason| Refusal::invalid(format!("`{length}`: {reason}")))?
            }
            Journey::To(moment) => {
                let there: jiff::Timestamp = moment.parse().map_err(|_| {
                    Refusal::invalid(format!("`{moment}` is no time such as 2026-01-31T12:00:00Z"))
                })?;
                there.as_second().saturating_sub(timestamp(admin.control.clock().now()).as_second())
            }
        };
        admin.control.travel(by)?;
        Ok(Json(time(&admin)))
    })
    .await
}

fn time(admin: &Admin) -> Value {
    let now = timestamp(admin.control.clock().now());
    json!({ "now": format!("{now:.3}"), "clock-offset": admin.control.settings().to_map()["clock-offset"] })
}

fn timestamp(time: SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(time).unwrap_or_default()
}

pub(super) async fn faults(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(json!({ "waiting": admin.faults.waiting() }))
}

pub(super) async fn lay_out_fault(
    State(admin): State<Arc<Admin>>,
    fault: Result<Json<OneShot>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(fault) = fault.map_err(|error| Refusal::invalid(error.body_text()))?;
    admin.faults.lay_out(fault).map_err(Refusal::invalid)?;
    Ok((StatusCode::CREATED, Json(json!({ "waiting": admin.faults.waiting() }))))
}

pub(super) async fn clear_faults(State(admin): State<Arc<Admin>>) -> StatusCode {
    admin.faults.clear();
    StatusCode::NO_CONTENT
}
