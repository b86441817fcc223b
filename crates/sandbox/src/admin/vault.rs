//! Who may do what in the tenants' vaults.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Refusal, blocking};
use super::extract::{Path, Query};
use crate::store::managed_identities::Which;
use crate::store::{StoreError, Tenant, vault};
use crate::vault::roles::{self, ROLES, Role};

/// Whose vault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// A tenant by GUID or domain; that of the application unless given.
    tenant: Option<String>,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let mut grants = Vec::new();
        for tenant in admin.store.tenants()? {
            for (client_id, role) in admin.store.vault_grants(&tenant.id)? {
                grants.push(shown(&tenant, &client_id, &role));
            }
        }
        Ok(Json(json!({ "grants": grants })))
    })
    .await
}

pub(super) async fn grant(
    State(admin): State<Arc<Admin>>,
    Path((client_id, role)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let (tenant, role) = (tenant(&admin, &client_id, &whose)?, find_role(&role)?);
        admin.store.write(|transaction| {
            vault::grant(transaction, &tenant.id, &client_id, role.name).map_err(Refusal::from)
        })?;
        Ok(Json(shown(&tenant, &client_id, role.name)))
    })
    .await
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path((client_id, role)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Refusal> {
    blocking(move || {
        let (tenant, role) = (tenant(&admin, &client_id, &whose)?, find_role(&role)?);
        match admin.store.revoke_vault_role(&tenant.id, &client_id, role.name)? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                format!("the application has no role `{}` in this vault", role.name),
            )),
        }
    })
    .await
}

fn shown(tenant: &Tenant, client_id: &str, role: &str) -> Value {
    let title = roles::find(role).map(|role| role.title);
    json!({ "tenant_domain": tenant.initial_domain(), "client_id": client_id, "role": role, "title": title })
}

/// The tenant that is meant, in which the application has to be known.
fn tenant(admin: &Admin, client_id: &str, whose: &Whose) -> Result<Arc<Tenant>, Refusal> {
    let home = || -> Result<_, StoreError> {
        let tenant = match admin.store.application_by_app_id(client_id)? {
            Some(application) => Some(application.tenant_id.clone()),
            // It has no registration.
            None => {
                admin.store.managed_identity(&Which::ClientId(client_id.to_owned()))?.map(|it| it.tenant_id)
            }
        };
        tenant.map_or(Ok(None), |tenant| admin.store.tenant(&tenant))
    };
    let tenant = match &whose.tenant {
        Some(name) => admin.store.tenant(name)?.ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, "NotFound", format!("there is no tenant `{name}`"))
        })?,
        None => home()?.ok_or_else(|| unknown_application(client_id))?,
    };
    match admin.store.service_principal_by_app_id(&tenant.id, client_id)? {
        Some(_) => Ok(tenant),
        None => Err(unknown_application(client_id)),
    }
}

fn unknown_application(client_id: &str) -> Refusal {
    let message = format!("there is no service principal of an application `{client_id}`");
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", message)
        .hint("register it first; it is named by its application (client) ID")
}

fn find_role(name: &str) -> Result<&'static Role, Refusal> {
    roles::find(name).ok_or_else(|| {
        let names: Vec<&str> = ROLES.iter().map(|role| role.name).collect();
        Refusal::invalid(format!("`{name}` is no role")).hint(format!("the roles are {}", names.join(", ")))
    })
}
