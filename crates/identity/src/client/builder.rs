//! What an application is made of.

use std::sync::Arc;

use unattended_core::{ClientId, Clock, Entropy, HttpClient, SystemClock, SystemEntropy};

use super::{ConfidentialClient, Shared};
use crate::authority::Authority;
use crate::cache::{CacheLimits, TokenCache};
use crate::claims;
use crate::credential::{Credential, Roster};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::server_clock::ServerClock;
use crate::store::{SealingKeys, StoreLayer, TokenStore};

/// Builds a [`ConfidentialClient`].
#[derive(Debug)]
pub struct ConfidentialClientBuilder {
    authority: Authority,
    client_id: ClientId,
    credentials: Roster,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: CacheLimits,
    capabilities: Vec<String>,
    store: Option<StoreLayer>,
}

impl ConfidentialClient {
    /// Starts with who issues the tokens and who asks for them.
    #[must_use]
    pub fn builder(authority: Authority, client_id: ClientId) -> ConfidentialClientBuilder {
        ConfidentialClientBuilder {
            authority,
            client_id,
            credentials: Roster::default(),
            http: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            limits: CacheLimits::default(),
            capabilities: Vec::new(),
            store: None,
        }
    }
}

impl ConfidentialClientBuilder {
    /// Adds a credential; the first one is preferred, the next ones are the overlap during a rotation.
    #[must_use]
    pub fn credential(mut self, credential: impl Credential) -> Self {
        self.credentials.push(Arc::new(credential));
        self
    }

    /// The network.
    #[must_use]
    pub fn http(self, http: Arc<dyn HttpClient>) -> Self {
        Self { http: Some(http), ..self }
    }

    /// The time, if it is not the machine's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The randomness, if it is not the machine's.
    #[must_use]
    pub fn entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// How much is kept in memory.
    #[must_use]
    pub fn cache_limits(self, limits: CacheLimits) -> Self {
        Self { limits, ..self }
    }

    /// What the application can handle, such as `cp1`: claims challenges of web APIs (continuous access evaluation).
    /// It is sent with every token request, and changes nothing about the cache.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// A second layer below the memory, which other processes may share; what goes there is sealed with `keys` first.
    /// A store that fails costs nothing but its help.
    #[must_use]
    pub fn store(self, store: impl TokenStore, keys: SealingKeys) -> Self {
        Self { store: Some(StoreLayer::new(Arc::new(store), keys)), ..self }
    }

    /// Finishes.
    ///
    /// # Errors
    /// There is no credential or no network, or the client id is none that the Microsoft identity platform gives.
    pub fn build(self) -> Result<ConfidentialClient, Error> {
        let Self { authority, client_id, credentials, http, clock, entropy, limits, capabilities, store } =
            self;
        let http = http.ok_or_else(|| Error::configuration("no HTTP client was given"))?;
        if credentials.is_empty() {
            return Err(Error::credential("no credential is configured"));
        }
        if authority.is_microsoft() && !client_id.is_guid() {
            return Err(Error::configuration(format!(
                "`{client_id}` is no application (client) ID: the platform's are GUIDs"
            )));
        }
        let tenant = authority.tenant().cloned();
        let shared = Shared {
            authority,
            exchange: Exchange {
                client_id,
                credentials,
                http,
                clock,
                entropy,
                server_clock: ServerClock::default(),
            },
            cache: TokenCache::new(limits),
            capabilities: claims::of_capabilities(&capabilities),
            store,
        };
        Ok(ConfidentialClient { shared: Arc::new(shared), tenant })
    }
}
