//! The API by which a running sandbox is controlled: settings, time, faults, journal, snapshots, tenants, keys, managed
//! identities, who may do what in a vault, and what applications trust beyond what the directory API can say.
//!
//! It is below `/sandbox` of the sandbox's own origin and described by `/sandbox/openapi.json`. Every request but the
//! one for that description needs the control token, which is in a file that only the owner of the sandbox can read.
//! No header lets a page of another origin read an answer. Requests to this API are not in the journal and meet no
//! fault.

mod access;
mod answer;
mod applications;
mod extract;
mod identities;
mod journal;
mod keys;
mod settings;
mod snapshots;
mod tenants;
mod vault;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post, put};
use tokio_util::sync::CancellationToken;
use unattended_core::Secret;

use crate::authority::SigningKeys;
use crate::control::Control;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::managed_identity::Hosts;
use crate::snapshots::Snapshots;
use crate::store::Store;
use crate::tenants::Tenants;

/// What the API works on.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) token: Secret,
    pub(crate) control: Arc<Control>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) snapshots: Snapshots,
    pub(crate) tenants: Tenants,
    pub(crate) store: Arc<Store>,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) hosts: Hosts,
    /// Ends the journals that are followed.
    pub(crate) stop: CancellationToken,
}

/// The routes, to be nested at `/sandbox`.
pub(crate) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/settings", get(settings::read).patch(settings::change))
        .route("/clock", get(settings::clock).post(settings::travel))
        .route("/faults", get(settings::faults).post(settings::lay_out_fault).delete(settings::clear_faults))
        .route("/journal", get(journal::read).delete(journal::clear))
        .route("/journal/check", post(journal::check))
        .route("/snapshots", get(snapshots::list))
        .route("/snapshots/{name}", put(snapshots::take).delete(snapshots::remove))
        .route("/snapshots/{name}/restore", post(snapshots::restore))
        .route("/reset", post(snapshots::reset))
        .route("/keys", get(keys::list))
        .route("/keys/prepublish", post(keys::prepublish))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/{name}/revoke", post(keys::revoke))
        .route(
            "/applications/{name}/trusted-subjects",
            get(applications::list_subjects)
                .post(applications::trust_subject)
                .delete(applications::distrust_subject),
        )
        .route("/applications/{name}/revoke", post(applications::revoke))
        .route("/tenants", get(tenants::list).post(tenants::add))
        .route("/identities", get(identities::list).post(identities::add))
        .route("/identities/{name}", delete(identities::remove))
        .route("/vault/grants", get(vault::list))
        .route("/vault/grants/{client_id}/{role}", put(vault::grant).delete(vault::revoke))
        .fallback(answer::nothing_here)
        .method_not_allowed_fallback(answer::not_that_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), access::guard))
        .route("/openapi.json", get(answer::description))
        .with_state(admin)
}

#[cfg(test)]
mod tests;
