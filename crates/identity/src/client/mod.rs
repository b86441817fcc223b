//! The application, as the authorization server knows it.

mod acquisition;
mod builder;
mod scoped;

use std::sync::Arc;

use unattended_core::{Scope, TenantId};

pub use self::builder::ConfidentialClientBuilder;
pub use self::scoped::{Freshness, ScopedToken};
use crate::authority::Authority;
use crate::cache::{CacheStatistics, TokenCache};
use crate::credential::Credential;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::profile::Profile;
use crate::store::{StoreLayer, StoreStatistics};

/// An application that can keep a credential (RFC 6749 section 2.1), in one tenant. Cheap to clone; clones share
/// tokens and connections.
#[derive(Clone, Debug)]
pub struct ConfidentialClient {
    shared: Arc<Shared>,
    tenant: Option<TenantId>,
}

/// What the tenants of one application have in common.
#[derive(Debug)]
struct Shared {
    /// In the tenant that the first client was made for.
    authority: Authority,
    exchange: Exchange,
    cache: TokenCache,
    capabilities: serde_json::Map<String, serde_json::Value>,
    store: Option<StoreLayer>,
}

impl ConfidentialClient {
    /// The same application in another tenant, for one that acts in many. Connections, credentials and configuration
    /// are shared; tokens, requests under way and what a server asked for are each tenant's own. Costs a reference count,
    /// whatever the number of tenants.
    ///
    /// # Errors
    /// The authority has no tenants.
    pub fn for_tenant(&self, tenant: &TenantId) -> Result<Self, Error> {
        self.shared.authority.expect_tenants()?;
        Ok(Self { shared: Arc::clone(&self.shared), tenant: Some(tenant.clone()) })
    }

    /// The tokens of one scope.
    ///
    /// # Errors
    /// At the Microsoft identity platform an application asks for the static `{resource}/.default` of one resource;
    /// any other scope is refused here, before anything is sent.
    pub fn for_scope(&self, scope: Scope) -> Result<ScopedToken, Error> {
        let is_microsoft = self.shared.authority.is_microsoft();
        if is_microsoft && scope.default_resource().is_none() {
            return Err(Error::configuration(format!(
                "the scope `{scope}` is not of the form {{resource}}/.default, the only one that an application can ask for"
            )));
        }
        // The platform does not tell upper from lower case; other servers do (RFC 6749 section 3.3).
        let key: Box<str> = match is_microsoft {
            true => scope.as_str().to_lowercase().into(),
            false => scope.as_str().into(),
        };
        Ok(self.scoped(scope, Profile { scope: key, ..Profile::default() }))
    }

    /// The credentials in order of preference: until when each is good, and what it is.
    pub fn credentials(&self) -> impl Iterator<Item = &dyn Credential> {
        self.shared.exchange.credentials.credentials()
    }

    /// The credentials that the server refused, or that could not be had, within the last ten minutes, so that others stand
    /// in for them, and why. Always empty with one credential, whose failure is the error of the acquisition.
    pub fn failed_credentials(&self) -> impl Iterator<Item = (&dyn Credential, Error)> {
        let exchange = &self.shared.exchange;
        exchange.credentials.resting(exchange.clock.elapsed())
    }

    /// Who issues the tokens.
    #[must_use]
    pub fn authority(&self) -> Authority {
        self.shared.authority_in(self.tenant.as_ref())
    }

    /// What the cache of this application, all its tenants together, holds and has let go.
    #[must_use]
    pub fn cache_statistics(&self) -> CacheStatistics {
        self.shared.cache.statistics()
    }

    /// What came of asking the store, if there is one.
    #[must_use]
    pub fn store_statistics(&self) -> Option<StoreStatistics> {
        self.shared.store.as_ref().map(StoreLayer::statistics)
    }

    /// Completes when the store has every token that was acquired so far, or has failed to take it, which is a quarter of
    /// a second at most. Nobody who only uses tokens waits for that; a process that ends after its first token does.
    /// Cancel safe.
    pub async fn store_settled(&self) {
        if let Some(store) = &self.shared.store {
            store.settled().await;
        }
    }

    fn scoped(&self, scope: Scope, profile: Profile) -> ScopedToken {
        let profile = self.shared.cache.profiles.intern(profile);
        let entry = self.shared.cache.entry(self.tenant.as_ref(), &profile);
        ScopedToken { shared: Arc::clone(&self.shared), entry, scope }
    }
}

impl Shared {
    fn authority_in(&self, tenant: Option<&TenantId>) -> Authority {
        self.authority.with_tenant(tenant.cloned())
    }
}

#[cfg(test)]
mod tests;
