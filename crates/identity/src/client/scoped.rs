//! The tokens of one application in one tenant for one scope.

use std::sync::Arc;

use unattended_core::{
    Authorization, BoxFuture, Moment, Scope, TenantId, TokenDemand, TokenSource, TokenSourceError,
};

use super::{ConfidentialClient, Shared};
use crate::authority::Authority;
use crate::bound::{Binding, DpopKey};
use crate::cache::Entry;
use crate::claims;
use crate::error::{Error, ErrorKind};
use crate::flight::{Boarding, no_outcome};
use crate::profile::Profile;
use crate::token::{AccessToken, CachedToken, FetchReason, Kept, TokenOrigin};

/// What a caller expects of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Freshness {
    /// Any live token will do.
    #[default]
    Cached,
    /// Not the one that is in the cache now, nor one out of the store: ask the server.
    Forced,
}

/// The tokens of one application for one scope: what a web API client is given. Cheap to clone; made once and kept, a
/// call costs one look at memory while a token lives.
#[derive(Clone, Debug)]
pub struct ScopedToken {
    pub(super) shared: Arc<Shared>,
    /// Knows the tenant.
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
    /// The name is empty, or one of [`RESERVED_PARAMETERS`](crate::RESERVED_PARAMETERS).
    pub fn with_parameter(&self, name: &str, value: &str) -> Result<Self, Error> {
        Ok(self.with(self.profile().clone().with_parameter(name, value)?))
    }

    /// The same, bound to the certificate that the application shows to the token endpoint, which has to be its
    /// credential: a [`TlsClientCertificate`](crate::TlsClientCertificate). At the Microsoft identity platform this asks
    /// for `mtls_pop`; elsewhere the server binds what it gives to who shows a certificate (RFC 8705 section 3). A token
    /// that is not bound to it is refused. [`Authorization`] carries the connections that show the certificate, and a
    /// web API client of this house uses no others; a token that is bound to a certificate which has been replaced is not
    /// served any more.
    #[must_use]
    pub fn bound_to_certificate(&self) -> Self {
        self.with(Profile { binding: Binding::Certificate, ..self.profile().clone() })
    }

    /// The same, bound to `key` (DPoP, RFC 9449). A token that is not bound to it is refused. [`Authorization`] carries
    /// the key, and [`Authorization::add_to`] adds the proof to a request.
    #[must_use]
    pub fn bound_to_key(&self, key: &DpopKey) -> Self {
        self.with(Profile { binding: Binding::Key(key.clone()), ..self.profile().clone() })
    }

    /// The same in another tenant; see [`ConfidentialClient::for_tenant`].
    ///
    /// # Errors
    /// The authority has no tenants.
    pub fn for_tenant(&self, tenant: &TenantId) -> Result<Self, Error> {
        self.shared.authority.expect_tenants()?;
        let entry = self.shared.cache.entry(Some(tenant), &self.entry.key.profile);
        Ok(Self { shared: Arc::clone(&self.shared), entry, scope: self.scope.clone() })
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The application, in the tenant of these tokens.
    #[must_use]
    pub fn client(&self) -> ConfidentialClient {
        ConfidentialClient { shared: Arc::clone(&self.shared), tenant: self.entry.key.tenant.clone() }
    }

    /// The token in memory, if one lives. Sends nothing, waits for nothing, takes no lock and allocates nothing; starts
    /// the renewal of a token that is due, if it is called within a tokio runtime.
    #[must_use]
    pub fn cached(&self) -> Option<CachedToken> {
        let moment = self.shared.exchange.clock.glance();
        let token = self.live(moment)?;
        if token.kept().is_due(moment) && token.kept().may_renew(moment) {
            self.renew(moment);
        }
        Some(token)
    }

    /// The token of another tenant in memory, if one lives: what [`cached`](Self::cached) of the tenant's own handle
    /// gives, for a program that has the tenant's id and keeps no handles. Make one with
    /// [`for_tenant`](Self::for_tenant) where this gives nothing.
    #[must_use]
    pub fn cached_in(&self, tenant: &TenantId) -> Option<CachedToken> {
        let shared = &*self.shared;
        let moment = shared.exchange.clock.glance();
        let can_use = |kept: &Kept| self.can_use(kept);
        let (token, may_renew) = shared.cache.live(Some(tenant), &self.entry.key.profile, moment, can_use)?;
        if may_renew && let Ok(handle) = self.for_tenant(tenant) {
            handle.renew(moment);
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
        let token = self.fetch(&demand).await?;
        if freshness == Freshness::Forced && token.origin() == TokenOrigin::Store {
            let refused = token.authorization().clone();
            return self.fetch(&TokenDemand::Newer { refused, claims: None }).await;
        }
        Ok(token)
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
        let exchange = &self.shared.exchange;
        loop {
            let (elapsed, epoch) = (exchange.clock.elapsed(), exchange.credential_epoch());
            let serve = || self.serve(demand, exchange.clock.glance());
            let (landed, own) = match self.entry.flights.board(elapsed, epoch, challenge.as_ref(), serve) {
                Boarding::Served(token) => return Ok(token),
                Boarding::Refused(error) => return Err(error),
                Boarding::Watch { landed, exact: true } => (landed, false),
                Boarding::Watch { landed, exact: false } => {
                    landed.outcome().await;
                    continue;
                }
                Boarding::Start { pilot, landed } => {
                    self.fly(pilot, challenge.clone(), reason);
                    (landed, true)
                }
            };
            match landed.outcome().await {
                // Another caller's request may bring, out of the store, the very token that this one was refused with.
                Some(Ok(token)) if !own && !is_met(demand, token.authorization()) => {}
                Some(outcome) => return outcome,
                // Starting another one would end the same way, for ever.
                None if own => return Err(no_outcome()),
                None => {}
            }
        }
    }

    /// The token in memory, unless it is bound to a certificate that is not shown any more.
    #[inline]
    fn live(&self, moment: Moment) -> Option<CachedToken> {
        self.entry.live(moment, |kept| self.can_use(kept))
    }

    fn can_use(&self, kept: &Kept) -> bool {
        kept.shown.as_ref().is_none_or(|shown| self.shared.exchange.shows(shown))
    }

    /// The cached token if it meets the demand.
    fn serve(&self, demand: &TokenDemand, moment: Moment) -> Option<AccessToken> {
        let token = self.live(moment)?;
        is_met(demand, token.authorization()).then(|| token.to_token())
    }

    /// Without a runtime there is nothing to renew it on, which is no reason to withhold a live token.
    #[cold]
    fn renew(&self, moment: Moment) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let epoch = self.shared.exchange.credential_epoch();
        if let Some(pilot) = self.entry.flights.start_renewal(moment.elapsed, epoch) {
            self.fly(pilot, None, FetchReason::Due);
        }
    }

    pub(super) fn authority(&self) -> Authority {
        self.shared.authority_in(self.entry.key.tenant.as_ref())
    }

    pub(super) fn profile(&self) -> &Profile {
        self.entry.key.profile.get()
    }

    fn with(&self, profile: Profile) -> Self {
        self.client().scoped(self.scope.clone(), profile)
    }
}

fn is_met(demand: &TokenDemand, authorization: &Authorization) -> bool {
    !matches!(demand, TokenDemand::Newer { refused, .. } if refused == authorization)
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
