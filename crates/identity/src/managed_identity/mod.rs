//! The identity that Azure gives to a machine, a container or a function: no credential of its own at all.
//!
//! Which of Azure's endpoints answers depends on where the program runs; [`ManagedIdentityHost::detect`] tells by the
//! environment. The same program then runs in Azure and elsewhere: there a managed identity is a token source by
//! itself, or it vouches for an application that is registered elsewhere, as its assertion.

mod arc;
mod endpoint;
mod host;
mod request;
mod response;
mod token;
mod workload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use unattended_core::{Clock, Entropy, HttpClient, Scope};

use self::endpoint::Endpoint;
pub use self::host::{ManagedIdentityHost, ManagedIdentityId};
pub use self::token::ManagedIdentityToken;
pub use self::workload::WorkloadIdentity;
use crate::credential::SignedAssertion;
use crate::error::Error;

/// A managed identity of the place that this program runs in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ManagedIdentity(Arc<Endpoint>);

impl ManagedIdentity {
    /// The identity `id` at `host`. Nothing is asked yet.
    ///
    /// # Errors
    /// The host knows no such kind of identity, or its address is none that a secret may be sent to.
    pub fn new(
        host: ManagedIdentityHost,
        id: ManagedIdentityId,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        request::check(&host, &id)?;
        let trouble = ArcSwapOption::empty();
        Ok(Self(Arc::new(Endpoint { host, id, http, clock, entropy, trouble })))
    }

    /// The tokens for one resource, by its `{resource}/.default`.
    ///
    /// # Errors
    /// Any other scope.
    pub fn for_scope(&self, scope: &Scope) -> Result<ManagedIdentityToken, Error> {
        let resource = scope.default_resource().ok_or_else(|| {
            Error::configuration(format!(
                "the scope `{scope}` is not of the form {{resource}}/.default, the only one that a managed identity has"
            ))
        })?;
        Ok(ManagedIdentityToken::new(Arc::clone(&self.0), resource))
    }

    /// The identity as the credential of an application with a federated identity credential for it. `audience` is
    /// [`TOKEN_EXCHANGE_AUDIENCE`](crate::TOKEN_EXCHANGE_AUDIENCE) in the public cloud.
    #[must_use]
    pub fn as_credential(&self, audience: &str) -> SignedAssertion {
        SignedAssertion::new(ManagedIdentityToken::new(Arc::clone(&self.0), audience))
    }
}
