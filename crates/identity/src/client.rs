//! The application, as the authorization server knows it.

use std::sync::Arc;

use tracing::{debug, warn};
use unattended_core::{
    Authorization, BoxFuture, ClientId, Clock, Entropy, HttpClient, Scope, SystemClock, SystemEntropy,
    TokenDemand, TokenSource, TokenSourceError,
};

use crate::authority::Authority;
use crate::cache::{Entry, TokenCache, TokenKey};
use crate::credential::Credential;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Exchange, retry_in};
use crate::flight::{Boarding, Pilot};
use crate::refresh::{is_due, is_live};
use crate::token::AccessToken;

/// An application that can keep a credential (RFC 6749 section 2.1), in one tenant. Cheap to clone; clones share
/// tokens and connections.
#[derive(Clone, Debug)]
pub struct ConfidentialClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exchange: Exchange,
    cache: TokenCache,
}

/// Builds a [`ConfidentialClient`].
#[derive(Debug)]
pub struct ConfidentialClientBuilder {
    authority: Authority,
    client_id: ClientId,
    credentials: Vec<Arc<dyn Credential>>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a caller expects of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Freshness {
    /// Any live token will do.
    #[default]
    Cached,
    /// Not the one that is in the cache now.
    Forced,
}

impl ConfidentialClient {
    /// Starts with who issues the tokens and who asks for them.
    #[must_use]
    pub fn builder(authority: Authority, client_id: ClientId) -> ConfidentialClientBuilder {
        ConfidentialClientBuilder {
            authority,
            client_id,
            credentials: Vec::new(),
            http: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The tokens of one scope.
    ///
    /// # Errors
    /// At the Microsoft identity platform an application asks for the static `{resource}/.default` of one resource;
    /// any other scope is refused here, before anything is sent.
    pub fn for_scope(&self, scope: Scope) -> Result<ScopedToken, Error> {
        if self.0.exchange.authority.is_microsoft() && scope.default_resource().is_none() {
            return Err(Error::configuration(format!(
                "the scope `{scope}` is not of the form {{resource}}/.default, the only one that an application can ask for"
            )));
        }
        Ok(self.scoped(scope, None))
    }

    /// Who issues the tokens.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0.exchange.authority
    }

    fn scoped(&self, scope: Scope, resource: Option<String>) -> ScopedToken {
        let Exchange { authority, client_id, .. } = &self.0.exchange;
        let key = TokenKey {
            authority: authority.identifier().to_owned(),
            client_id: client_id.as_str().to_owned(),
            // The platform does not tell upper from lower case; other servers do (RFC 6749 section 3.3).
            scope: if authority.is_microsoft() {
                scope.as_str().to_lowercase()
            } else {
                scope.as_str().to_owned()
            },
            resource,
        };
        ScopedToken { entry: self.0.cache.entry(key), scope, client: self.clone() }
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

    /// Finishes.
    ///
    /// # Errors
    /// There is no credential or no network, or the client id is none that the Microsoft identity platform gives.
    pub fn build(self) -> Result<ConfidentialClient, Error> {
        let Self { authority, client_id, credentials, http, clock, entropy } = self;
        let http = http.ok_or_else(|| Error::configuration("no HTTP client was given"))?;
        if credentials.is_empty() {
            return Err(Error::credential("no credential is configured"));
        }
        if authority.is_microsoft() && !client_id.is_guid() {
            return Err(Error::configuration(format!(
                "`{client_id}` is no application (client) ID: the platform's are GUIDs"
            )));
        }
        let exchange = Exchange { authority, client_id, credentials, http, clock, entropy };
        Ok(ConfidentialClient(Arc::new(Inner { exchange, cache: TokenCache::default() })))
    }
}

/// The tokens of one application for one scope: what a web API client is given. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ScopedToken {
    client: ConfidentialClient,
    entry: Arc<Entry>,
    scope: Scope,
}

impl ScopedToken {
    /// The same scope for one resource server (RFC 8707 `resource`); not for the Microsoft identity platform, where
    /// the scope names the resource.
    #[must_use]
    pub fn with_resource(&self, resource: &str) -> Self {
        self.client.scoped(self.scope.clone(), Some(resource.to_owned()))
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// A token: from the cache while one lives, else from the server. Needs a tokio runtime. Cancel safe: a request
    /// that this call started goes on and serves the next one.
    ///
    /// # Errors
    /// See [`Error`]; all who waited for the same request get the same.
    pub async fn acquire(&self, freshness: Freshness) -> Result<AccessToken, Error> {
        let demand = match freshness {
            Freshness::Cached => TokenDemand::Live,
            Freshness::Forced => self.entry.kept.load().as_ref().map_or(TokenDemand::Live, |kept| {
                TokenDemand::Newer { refused: kept.token.authorization().clone(), claims: None }
            }),
        };
        self.satisfy(&demand).await
    }

    async fn satisfy(&self, demand: &TokenDemand) -> Result<AccessToken, Error> {
        if let Some(token) = self.serve(demand) {
            return Ok(token);
        }
        let claims = match demand {
            TokenDemand::Newer { claims, .. } => claims.as_deref(),
            _ => None,
        };
        loop {
            let elapsed = self.client.0.exchange.clock.elapsed();
            let landed = match self.entry.flights.board(elapsed, claims, || self.serve_cached(demand)) {
                Boarding::Served(token) => return Ok(token),
                Boarding::Refused(error) => return Err(error),
                Boarding::Watch { landed, exact: true } => landed,
                Boarding::Watch { landed, exact: false } => {
                    landed.outcome().await;
                    continue;
                }
                Boarding::Start { pilot, landed } => {
                    self.fly(pilot, claims);
                    landed
                }
            };
            if let Some(outcome) = landed.outcome().await {
                return outcome.map(|kept| kept.token.clone());
            }
        }
    }

    /// The cached token if it meets the demand; starts its renewal if that is due.
    fn serve(&self, demand: &TokenDemand) -> Option<AccessToken> {
        let token = self.serve_cached(demand)?;
        let elapsed = self.client.0.exchange.clock.elapsed();
        let due = self.entry.kept.load().as_ref().is_some_and(|kept| is_due(kept, elapsed));
        if due && let Some(pilot) = self.entry.flights.start_renewal(elapsed) {
            self.fly(pilot, None);
        }
        Some(token)
    }

    fn serve_cached(&self, demand: &TokenDemand) -> Option<AccessToken> {
        let clock = &self.client.0.exchange.clock;
        let kept = self.entry.kept.load();
        let kept = kept.as_ref().filter(|kept| is_live(kept, clock.now(), clock.elapsed()))?;
        match demand {
            TokenDemand::Newer { refused, .. } if refused == kept.token.authorization() => None,
            _ => Some(kept.token.as_cached()),
        }
    }

    fn fly(&self, pilot: Pilot, claims: Option<&str>) {
        let (this, claims) = (self.clone(), claims.map(str::to_owned));
        tokio::spawn(async move {
            let Self { client, entry, scope } = this;
            let exchange = &client.0.exchange;
            let outcome = exchange.acquire(&entry.key, scope.as_str(), claims.as_deref()).await.map(Arc::new);
            let retry_in = outcome.as_ref().err().and_then(|error| retry_in(error, exchange.clock.now()));
            match &outcome {
                // Nobody waits for a renewal, so nobody else would tell.
                Err(error) if entry.kept.load().is_some() => {
                    warn!(scope = scope.as_str(), codes = ?error.codes(), %error, "token not renewed");
                }
                Err(error) => debug!(scope = scope.as_str(), codes = ?error.codes(), %error, "no token"),
                Ok(_) => {}
            }
            let keep = |kept: &Arc<_>| entry.kept.store(Some(Arc::clone(kept)));
            entry.flights.land(pilot, outcome, exchange.clock.elapsed(), retry_in, keep);
        });
    }
}

impl TokenSource for ScopedToken {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async move {
            match self.satisfy(&demand).await {
                Ok(token) => Ok(token.authorization().clone()),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl From<Error> for TokenSourceError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Throttled | ErrorKind::Transient => {
                let retry_at = error.retry_at();
                Self::transient(error, retry_at)
            }
            _ => Self::permanent(error),
        }
    }
}

#[cfg(test)]
mod tests;
