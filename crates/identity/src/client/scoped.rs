//! The tokens of one application in one tenant for one scope.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::{debug, warn};
use unattended_core::{
    Authorization, BoxFuture, Moment, Scope, Secret, TenantId, TokenDemand, TokenSource, TokenSourceError,
};

use super::ConfidentialClient;
use crate::cache::Entry;
use crate::claims;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Cost, Errand, retry_in};
use crate::flight::{Boarding, Outcome, Patience, Pilot};
use crate::profile::Profile;
use crate::refresh;
use crate::token::{AccessToken, CachedToken, FetchReason, Fetched, Kept, TokenOrigin};
use crate::token_response::Issued;

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

/// The tokens of one application for one scope: what a web API client is given. Cheap to clone; made once and kept, a
/// call costs one look at memory while a token lives.
#[derive(Clone, Debug)]
pub struct ScopedToken {
    pub(super) client: ConfidentialClient,
    pub(super) entry: Arc<Entry>,
    pub(super) scope: Scope,
}

impl ScopedToken {
    /// The same scope for one resource server (RFC 8707 `resource`); not for the Microsoft identity platform, where
    /// the scope names the resource.
    #[must_use]
    pub fn with_resource(&self, resource: &str) -> Self {
        self.with(Profile { resource: Some(resource.into()), ..self.profile().clone() })
    }

    /// The same with claims that the application itself wants in its tokens, as a JSON object.
    ///
    /// # Errors
    /// Not a JSON object.
    pub fn with_claims(&self, json: &str) -> Result<Self, Error> {
        let claims = claims::to_text(&claims::parse(json)?).map(Into::into);
        Ok(self.with(Profile { claims, ..self.profile().clone() }))
    }

    /// The same with one more field in the form of the token request, such as `audience` or `fmi_path`. Requests with
    /// other fields have other tokens; the order does not matter.
    ///
    /// # Errors
    /// The field is one that every token request has.
    pub fn with_parameter(&self, name: &str, value: &str) -> Result<Self, Error> {
        Ok(self.with(self.profile().clone().with_parameter(name, value)?))
    }

    /// The same in another tenant; see [`ConfidentialClient::for_tenant`].
    ///
    /// # Errors
    /// The authority has no tenants.
    pub fn for_tenant(&self, tenant: &TenantId) -> Result<Self, Error> {
        let client = self.client.for_tenant(tenant)?;
        let entry = client.shared.cache.entry(Some(tenant), &self.entry.key.profile);
        Ok(Self { client, entry, scope: self.scope.clone() })
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The token in memory, if one lives. Sends nothing, waits for nothing, takes no lock and allocates nothing; starts
    /// the renewal of a token that is due, for which it needs a tokio runtime then.
    #[must_use]
    pub fn cached(&self) -> Option<CachedToken> {
        let moment = self.client.shared.exchange.clock.glance();
        let token = self.entry.live(moment)?;
        if token.kept().is_due(moment) {
            self.renew(moment);
        }
        Some(token)
    }

    /// A token: from the cache while one lives, else from the server. Needs a tokio runtime. Cancel safe: a request
    /// that this call started goes on and serves the next one.
    ///
    /// # Errors
    /// See [`Error`]; all who waited for the same request get the same.
    pub async fn acquire(&self, freshness: Freshness) -> Result<AccessToken, Error> {
        if freshness == Freshness::Cached
            && let Some(token) = self.cached()
        {
            return Ok(token.to_token());
        }
        let demand = match (freshness, self.entry.last()) {
            (Freshness::Forced, Some(kept)) => {
                TokenDemand::Newer { refused: kept.authorization.clone(), claims: None }
            }
            _ => TokenDemand::Live,
        };
        self.fetch(&demand).await
    }

    /// What the cache cannot serve, or what it must not.
    async fn fetch(&self, demand: &TokenDemand) -> Result<AccessToken, Error> {
        let challenge: Option<Arc<str>> = match demand {
            TokenDemand::Newer { claims, .. } => claims.as_deref().map(Arc::from),
            _ => None,
        };
        let reason = match demand {
            TokenDemand::Newer { .. } if challenge.is_some() => FetchReason::Claims,
            TokenDemand::Newer { .. } => FetchReason::Forced,
            _ if self.entry.last().is_some() => FetchReason::Expired,
            _ => FetchReason::Absent,
        };
        let exchange = &self.client.shared.exchange;
        loop {
            let (elapsed, epoch) = (exchange.clock.elapsed(), exchange.credential_epoch());
            let serve = || self.serve(demand, exchange.clock.glance());
            let landed = match self.entry.flights.board(elapsed, epoch, challenge.as_ref(), serve) {
                Boarding::Served(token) => return Ok(token),
                Boarding::Refused(error) => return Err(error),
                Boarding::Watch { landed, exact: true } => landed,
                Boarding::Watch { landed, exact: false } => {
                    landed.outcome().await;
                    continue;
                }
                Boarding::Start { pilot, landed } => {
                    self.fly(pilot, challenge.clone(), reason);
                    landed
                }
            };
            if let Some(outcome) = landed.outcome().await {
                return outcome;
            }
        }
    }

    /// The cached token if it meets the demand.
    fn serve(&self, demand: &TokenDemand, moment: Moment) -> Option<AccessToken> {
        let token = self.entry.live(moment)?;
        match demand {
            TokenDemand::Newer { refused, .. } if refused == token.authorization() => None,
            _ => Some(token.to_token()),
        }
    }

    #[cold]
    fn renew(&self, moment: Moment) {
        let epoch = self.client.shared.exchange.credential_epoch();
        if let Some(pilot) = self.entry.flights.start_renewal(moment.elapsed, epoch) {
            self.fly(pilot, None, FetchReason::Due);
        }
    }

    /// The flight: a task of its own, which ends by landing.
    fn fly(&self, pilot: Pilot, challenge: Option<Arc<str>>, reason: FetchReason) {
        let this = self.clone();
        tokio::spawn(async move {
            let shared = &this.client.shared;
            let clock = &shared.exchange.clock;
            let epoch = shared.exchange.credential_epoch();
            let outcome = this.request(challenge.as_deref(), reason).await;
            if let Err(error) = &outcome {
                let (scope, codes) = (this.scope.as_str(), error.codes());
                match reason {
                    // Nobody waits for a renewal, so nobody else would tell.
                    FetchReason::Due => warn!(scope, ?codes, %error, "token not renewed"),
                    _ => debug!(scope, ?codes, %error, "no token"),
                }
            }
            let moment = clock.glance();
            let patience = outcome.as_ref().err().and_then(|error| {
                let until = moment.elapsed + retry_in(error, moment.now)?;
                Some(Patience { until, credential_epoch: epoch, error: error.clone() })
            });
            let keep = |token: &AccessToken| shared.cache.keep(&this.entry, Arc::clone(token.kept()), moment);
            this.entry.flights.land(pilot, outcome, moment.elapsed, patience, keep);
            shared.cache.make_room(moment);
        });
    }

    /// Asks the server.
    async fn request(&self, challenge: Option<&str>, reason: FetchReason) -> Outcome {
        let exchange = &self.client.shared.exchange;
        let began = exchange.clock.elapsed();
        let correlation_id = exchange.entropy.uuid();
        let claims = self.claims(challenge)?;
        let refresh_token = self.entry.last().and_then(|kept| kept.take_refresh_token());
        let mut errand = Errand {
            authority: &self.client.authority,
            profile: self.profile(),
            scope: self.scope.as_str(),
            claims: claims.as_deref(),
            refresh_token: refresh_token.as_deref(),
            correlation_id: &correlation_id,
            cost: Cost::default(),
        };
        let mut issued = exchange.acquire(&errand).await;
        if errand.refresh_token.take().is_some()
            && let Err(error) = &issued
            && !error.is_transient()
        {
            debug!(%error, "refresh token not accepted; asking with the grant");
            issued = exchange.acquire(&errand).await;
        }
        let took = exchange.clock.elapsed().saturating_sub(began);
        match issued {
            Ok(issued) => {
                let kept = self.kept(issued, &errand, took, reason);
                Ok(AccessToken::new(Arc::new(kept), TokenOrigin::Server))
            }
            Err(error) => Err(error.of_errand(&errand, took)),
        }
    }

    /// What the application can handle, what it wants, and what a web API asked for.
    fn claims(&self, challenge: Option<&str>) -> Result<Option<String>, Error> {
        let mut all = self.client.shared.capabilities.clone();
        for more in [self.profile().claims.as_deref(), challenge].into_iter().flatten() {
            all = claims::merge(all, claims::parse(more)?);
        }
        Ok(claims::to_text(&all))
    }

    fn kept(&self, issued: Issued, errand: &Errand<'_>, took: Duration, reason: FetchReason) -> Kept {
        let moment = self.client.shared.exchange.clock.glance();
        let refresh_after = self.entry.refresh_after(issued.lifetime, issued.refresh_in);
        let usable = issued.lifetime - refresh::margin(issued.lifetime);
        let milliseconds = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Kept {
            expires_at: moment.now + issued.lifetime,
            refresh_at: moment.now + refresh_after,
            usable_until: moment.now + usable,
            live_until: moment.elapsed + usable,
            due_at: moment.elapsed + refresh_after,
            authorization: issued.authorization,
            authority: self.client.authority.clone(),
            correlation_id: errand.correlation_id.into(),
            fetched: Fetched {
                reason,
                took: milliseconds(took),
                network: milliseconds(errand.cost.network()),
                attempts: errand.cost.attempts(),
            },
            refresh_token: Mutex::new(issued.refresh_token.map(|token: Secret| Box::new(token))),
        }
    }

    fn profile(&self) -> &Profile {
        self.entry.key.profile.get()
    }

    fn with(&self, profile: Profile) -> Self {
        self.client.scoped(self.scope.clone(), profile)
    }
}

impl TokenSource for ScopedToken {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async move {
            if let TokenDemand::Live = demand
                && let Some(token) = self.cached()
            {
                return Ok(token.authorization().clone());
            }
            Ok(self.fetch(&demand).await?.authorization().clone())
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
