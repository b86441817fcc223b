//! The tokens of a managed identity for one resource, kept and renewed as those of an application are.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tracing::{debug, warn};
use unattended_core::{Authorization, BoxFuture, Moment, Secret, TokenDemand, TokenSource, TokenSourceError};
use uuid::Uuid;

use super::endpoint::{Endpoint, Fetched as Answered};
use crate::client::Freshness;
use crate::credential::{AssertionSource, AuthenticationContext};
use crate::deadline::within;
use crate::error::Error;
use crate::exchange::retry_in;
use crate::flight::{Boarding, Flights, Outcome, Patience, Pilot, no_outcome};
use crate::refresh;
use crate::token::{AccessToken, FetchReason, Fetched, Kept, Term, TokenOrigin, Usage};

/// How long a request waits for the assertion, less than a credential may take: what the host is asked for it goes on, and
/// serves the next one.
const PATIENCE: Duration = Duration::from_secs(7);

/// The tokens of a managed identity for one resource. Cheap to clone; made once and kept.
#[derive(Clone, Debug)]
pub struct ManagedIdentityToken(Arc<Tokens>);

#[derive(Debug)]
struct Tokens {
    endpoint: Arc<Endpoint>,
    resource: String,
    kept: ArcSwapOption<Kept>,
    flights: Flights,
}

impl ManagedIdentityToken {
    pub(super) fn new(endpoint: Arc<Endpoint>, resource: &str) -> Self {
        Self(Arc::new(Tokens {
            endpoint,
            resource: resource.to_owned(),
            kept: ArcSwapOption::empty(),
            flights: Flights::default(),
        }))
    }

    /// A token: from memory while one lives, else from the host. Needs a tokio runtime. Cancel safe: a request that this
    /// call started goes on and serves the next one.
    ///
    /// # Errors
    /// See [`Error`]; all who waited for the same request get the same.
    pub async fn acquire(&self, freshness: Freshness) -> Result<AccessToken, Error> {
        let demand = match (freshness, self.0.kept.load_full()) {
            (Freshness::Forced, Some(kept)) => {
                TokenDemand::Newer { refused: kept.authorization.clone(), claims: None }
            }
            _ => TokenDemand::Live,
        };
        self.satisfy(&demand).await
    }

    async fn satisfy(&self, demand: &TokenDemand) -> Result<AccessToken, Error> {
        let clock = &self.0.endpoint.clock;
        if let Some(token) = self.serve(demand, clock.glance()) {
            self.renew_if_due(clock.glance());
            return Ok(token);
        }
        let reason = match (demand, self.0.kept.load().is_some()) {
            (TokenDemand::Newer { .. }, _) => FetchReason::Forced,
            (_, true) => FetchReason::Expired,
            (_, false) => FetchReason::Absent,
        };
        loop {
            let serve = || self.serve(demand, clock.glance());
            let (landed, own) = match self.0.flights.board(clock.elapsed(), 0, None, serve) {
                Boarding::Served(token) => return Ok(token),
                Boarding::Refused(error) => return Err(error),
                Boarding::Watch { landed, .. } => (landed, false),
                Boarding::Start { pilot, landed } => {
                    self.fly(pilot, reason);
                    (landed, true)
                }
            };
            match landed.outcome().await {
                Some(outcome) => return outcome,
                // Starting another one would end the same way, for ever.
                None if own => return Err(no_outcome()),
                None => {}
            }
        }
    }

    fn serve(&self, demand: &TokenDemand, moment: Moment) -> Option<AccessToken> {
        let kept = self.0.kept.load_full().filter(|kept| kept.is_live(moment))?;
        match demand {
            TokenDemand::Newer { refused, .. } if *refused == kept.authorization => None,
            _ => Some(AccessToken::new(kept, TokenOrigin::Memory)),
        }
    }

    fn renew_if_due(&self, moment: Moment) {
        let is_due = self.0.kept.load().as_ref().is_some_and(|kept| kept.is_due(moment));
        if is_due && let Some(pilot) = self.0.flights.start_renewal(moment.elapsed, 0) {
            self.fly(pilot, FetchReason::Due);
        }
    }

    fn fly(&self, pilot: Pilot, reason: FetchReason) {
        let this = self.clone();
        tokio::spawn(async move {
            let Tokens { endpoint, resource, kept, flights } = &*this.0;
            let outcome = this.request(reason).await;
            if let Err(error) = &outcome {
                match reason {
                    FetchReason::Due => warn!(resource, %error, "token not renewed"),
                    _ => debug!(resource, %error, "no token"),
                }
            }
            let moment = endpoint.clock.glance();
            let patience = outcome.as_ref().err().and_then(|error| {
                let until = moment.elapsed + retry_in(error, moment.now())?;
                Some(Patience { until, credential_epoch: 0, error: error.clone() })
            });
            let keep = |token: &AccessToken| kept.store(Some(Arc::clone(token.kept())));
            flights.land(pilot, outcome, moment.elapsed, patience, keep);
        });
    }

    async fn request(&self, reason: FetchReason) -> Outcome {
        let Tokens { endpoint, resource, .. } = &*self.0;
        let began = endpoint.clock.elapsed();
        let Answered { issued, attempts } = endpoint.fetch(resource).await?;
        let moment = endpoint.clock.glance();
        let took = moment.elapsed.saturating_sub(began);
        let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let refresh_after: Duration =
            refresh::refresh_after(issued.lifetime, issued.refresh_in, &(resource, &endpoint.id));
        let margin = refresh::margin(issued.lifetime);
        let usable = issued.lifetime - Duration::from_micros(margin.into());
        let kept = Kept {
            term: Term::from(moment, usable, refresh_after),
            usage: Usage::default(),
            shown: None,
            authorization: issued.authorization,
            authority: None,
            correlation_id: Uuid::nil(),
            fetched: Fetched { reason, took, network: took, attempts },
            margin,
            refresh_token: ArcSwapOption::empty(),
        };
        Ok(AccessToken::new(Arc::new(kept), TokenOrigin::Server))
    }
}

impl TokenSource for ManagedIdentityToken {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async move { Ok(self.satisfy(&demand).await?.authorization().clone()) })
    }
}

impl AssertionSource for ManagedIdentityToken {
    fn assertion<'a>(&'a self, _: &'a AuthenticationContext<'a>) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(async move {
            let Tokens { endpoint, .. } = &*self.0;
            let token = pin!(self.acquire(Freshness::Cached));
            let token = within(&*endpoint.clock, PATIENCE, token).await;
            Ok(Secret::from(token.unwrap_or_else(|| Err(endpoint.asked_on()))?.expose()))
        })
    }

    /// The server refused the token that is kept, so that it would only be refused again.
    fn replace(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.acquire(Freshness::Forced).await.is_ok() })
    }

    fn describe(&self) -> String {
        format!("the managed identity of {}", self.0.endpoint.host.name())
    }
}
