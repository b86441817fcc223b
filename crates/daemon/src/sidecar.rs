//! What lends calls to local programs, as `[sidecar]` says.

use std::sync::Arc;

use unattended_sidecar::{Api, Peer, Policy, Sidecar};

use crate::build::Daemon;
use crate::error::{BuildError, ExitClass};

impl Daemon {
    /// The sidecar for every API: under the configuration's policy, or else for the user that this process runs as.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// An API is called `token`, or the operating system does not tell which user this is.
    pub fn sidecar(&self) -> Result<Sidecar, BuildError> {
        let policy = match &self.config().sidecar.allow {
            Some(grants) => Policy::of(grants.clone()),
            None => Policy::for_user(own_uid()?),
        };
        let api = |name: &String| {
            let (client, tokens) = (self.client(name)?.clone(), Arc::new(self.scoped_token(name)?.clone()));
            Ok((name.clone(), Api { client, tokens }))
        };
        let apis = self.config().apis.keys().map(api).collect::<Result<_, BuildError>>()?;
        Sidecar::new(apis, policy, Arc::clone(&self.ports().clock)).map_err(|error| {
            BuildError::new(ExitClass::Configuration, "the sidecar cannot serve these APIs")
                .mended_by("give [apis.token] another name")
                .caused_by(error)
        })
    }
}

fn own_uid() -> Result<u32, BuildError> {
    let own = Peer::this_process().map_err(|error| {
        BuildError::new(ExitClass::Failed, "the user of this process cannot be told")
            .mended_by("name who may call in `allow` of [sidecar]")
            .caused_by(error)
    })?;
    Ok(own.uid)
}
