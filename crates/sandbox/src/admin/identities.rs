//! The managed identities of the machine that the sandbox plays.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use unattended_core::SystemEntropy;

use super::Admin;
use super::answer::{Refusal, blocking};
use super::extract::Path;
use crate::authority::unix_seconds;
use crate::store::managed_identities::{self, ManagedIdentity};

/// Names are no longer than Azure's.
const MAX_NAME_CHARS: usize = 64;

/// An identity to be made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewIdentity {
    name: String,
    #[serde(default)]
    user_assigned: bool,
    /// By GUID or domain; the first tenant unless given.
    tenant: Option<String>,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let identities = admin.store.managed_identities()?;
        let shown =
            identities.iter().map(|identity| shown(&admin, identity)).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(json!({ "identities": shown, "hosts": admin.hosts.describe()? })))
    })
    .await
}

pub(super) async fn add(
    State(admin): State<Arc<Admin>>,
    identity: Result<Json<NewIdentity>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(wish) = identity.map_err(|error| Refusal::invalid(error.body_text()))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if wish.name.is_empty() || wish.name.len() > MAX_NAME_CHARS || !wish.name.chars().all(is_name) {
        let message = format!("a name has 1 to {MAX_NAME_CHARS} letters, digits, hyphens and underscores");
        return Err(Refusal::invalid(message));
    }
    blocking(move || {
        let tenant = match &wish.tenant {
            Some(name) => admin.store.tenant(name)?,
            None => match admin.store.administrator()? {
                Some(administrator) => admin.store.tenant(&administrator.tenant_id)?,
                None => None,
            },
        };
        let tenant = tenant.ok_or_else(|| missing("there is no such tenant"))?;
        let now = unix_seconds(admin.control.clock().now());
        let made = admin.store.write(|transaction| {
            managed_identities::add(
                transaction,
                &tenant,
                &wish.name,
                !wish.user_assigned,
                now,
                &SystemEntropy,
            )
        });
        match made {
            Ok(identity) => Ok((StatusCode::CREATED, Json(shown(&admin, &identity)?))),
            Err(error) if error.is_conflict() => Err(Refusal::new(
                StatusCode::CONFLICT,
                "Conflict",
                "the name is taken, or the machine has an identity of its own already",
            )
            .hint("any number may be assigned: say userAssigned")),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    Path(client_id): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(move || {
        match admin.store.write(|transaction| managed_identities::remove(transaction, &client_id))? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(missing("there is no managed identity with this client ID")),
        }
    })
    .await
}

fn missing(message: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", message)
}

fn shown(admin: &Admin, identity: &ManagedIdentity) -> Result<Value, Refusal> {
    let tenant = admin.store.tenant(&identity.tenant_id)?;
    Ok(json!({
        "name": identity.name,
        "kind": if identity.is_system { "system-assigned" } else { "user-assigned" },
        "clientId": identity.client_id,
        "objectId": identity.object_id,
        "resourceId": identity.resource_id,
        "tenantDomain": tenant.map(|tenant| tenant.initial_domain().to_owned()),
    }))
}
