//! What stands before all routes: the journal, the faults, and the API that controls them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio_util::sync::CancellationToken;
use unattended_core::Secret;

use crate::SandboxError;
use crate::admin::{self, Admin};
use crate::authority::SigningKeys;
use crate::control::Control;
use crate::data_directory::DataDirectory;
use crate::faults::{FaultLayer, Faults, inject};
use crate::intake::Intake;
use crate::journal::{Journal, record};
use crate::managed_identity::Hosts;
use crate::snapshots::Snapshots;
use crate::store::{Store, StoreError};
use crate::tenants::Tenants;

/// What the front is made of.
pub(crate) struct Front<'a> {
    pub(crate) store: &'a Arc<Store>,
    pub(crate) directory: &'a Arc<DataDirectory>,
    pub(crate) control: &'a Arc<Control>,
    pub(crate) tenants: &'a Tenants,
    pub(crate) keys: &'a Arc<SigningKeys>,
    pub(crate) intake: Arc<Intake>,
    /// `https://localhost:PORT`.
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
}

/// The front of one sandbox.
pub(crate) struct BuiltFront {
    journal: Arc<Journal>,
    faults: Arc<FaultLayer>,
    admin: Arc<Admin>,
}

impl Front<'_> {
    /// Makes it, and the control token if there is none yet.
    pub(crate) fn build(self) -> Result<BuiltFront, SandboxError> {
        let journal = Arc::new(Journal::new(self.control.clock(), self.intake));
        let faults = Arc::new(Faults::default());
        let admin = Admin {
            token: control_token(self.directory)?,
            control: Arc::clone(self.control),
            faults: Arc::clone(&faults),
            journal: Arc::clone(&journal),
            snapshots: Snapshots::new(self.store, self.directory),
            tenants: self.tenants.clone(),
            store: Arc::clone(self.store),
            keys: Arc::clone(self.keys),
            hosts: Hosts::new(self.store, self.directory, &self.base),
            stop: self.stop,
        };
        let faults = FaultLayer { control: Arc::clone(self.control), faults, base: self.base };
        Ok(BuiltFront { journal, faults: Arc::new(faults), admin: Arc::new(admin) })
    }
}

impl BuiltFront {
    /// The routes with the front before them: a request is first written down and then meets its fault.
    pub(crate) fn before(self, routes: Router) -> Router {
        routes
            .layer(from_fn_with_state(self.faults, inject))
            .layer(from_fn_with_state(self.journal, record))
            .nest("/sandbox", admin::router(self.admin))
    }
}

fn control_token(directory: &DataDirectory) -> Result<Secret, SandboxError> {
    if let Some(token) = directory.read(DataDirectory::CONTROL_TOKEN)?.filter(|token| !token.is_empty()) {
        return Ok(Secret::new(token));
    }
    let mut bits = [0; 32];
    aws_lc_rs::rand::fill(&mut bits)
        .map_err(|_| StoreError::corrupt("the random number generator failed"))?;
    let token = URL_SAFE_NO_PAD.encode(bits);
    directory.write(DataDirectory::CONTROL_TOKEN, token.as_bytes())?;
    Ok(Secret::new(token))
}
