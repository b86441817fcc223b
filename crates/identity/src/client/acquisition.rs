//! What a flight does: the store, the server, and what is kept of the answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tracing::{debug, warn};
use uuid::Uuid;

use super::ScopedToken;
use crate::authority::Authority;
use crate::bound::Binding;
use crate::claims;
use crate::error::Error;
use crate::exchange::{Cost, Errand, retry_in};
use crate::flight::{Outcome, Patience, Pilot};
use crate::refresh;
use crate::store::{Record, StoreKey, StoreLayer};
use crate::token::{AccessToken, FetchReason, Fetched, Kept, Term, TokenOrigin, Usage};
use crate::token_response::Issued;

impl ScopedToken {
    /// The flight: a task of its own, which ends by landing.
    pub(super) fn fly(&self, pilot: Pilot, challenge: Option<Arc<str>>, reason: FetchReason) {
        let this = self.clone();
        // Some kilobytes, which are moved once instead of at every step of becoming a task.
        tokio::spawn(Box::pin(async move {
            let shared = &this.shared;
            let clock = &shared.exchange.clock;
            let epoch = shared.exchange.credential_epoch();
            let outcome = match this.stored(reason).await {
                Some(token) => Ok(token),
                None => this.asked(challenge.as_deref(), reason).await,
            };
            if let Err(error) = &outcome {
                this.report(error, reason);
            }
            let moment = clock.glance();
            let patience = outcome.as_ref().err().and_then(|error| {
                let until = moment.elapsed + retry_in(error, moment.now())?;
                Some(Patience { until, credential_epoch: epoch, error: error.clone() })
            });
            let keep = |token: &AccessToken| shared.cache.keep(&this.entry, Arc::clone(token.kept()), moment);
            let token = outcome.as_ref().ok().cloned();
            // Before anybody has the token: who has it may ask whether the store has it, too.
            let _saving = shared.store.as_ref().map(StoreLayer::announce);
            this.entry.flights.land(pilot, outcome, moment.elapsed, patience, keep);
            shared.cache.make_room(moment);
            // Nobody waits any more: the store takes the time that it takes.
            if let Some(token) = token.filter(|token| token.origin() == TokenOrigin::Server) {
                this.to_store(&token).await;
            }
        }));
    }

    /// What another process has left in the store. A token that is due is not replaced by another that is due, too, and
    /// one that a web API refused is not looked for there.
    async fn stored(&self, reason: FetchReason) -> Option<AccessToken> {
        let store = self.shared.store.as_ref()?;
        let is_bearer = self.profile().binding == Binding::Bearer;
        if matches!(reason, FetchReason::Forced | FetchReason::Claims) || !is_bearer {
            return None;
        }
        let clock = &*self.shared.exchange.clock;
        let began = clock.elapsed();
        let record = store.load(&self.store_key(), clock).await?;
        let kept = self.of_record(&record, clock.elapsed().saturating_sub(began), reason)?;
        let moment = clock.glance();
        let of_use = kept.is_live(moment) && !(reason == FetchReason::Due && kept.is_due(moment));
        of_use.then(|| AccessToken::new(Arc::new(kept), TokenOrigin::Store))
    }

    async fn to_store(&self, token: &AccessToken) {
        let Some(store) = &self.shared.store else { return };
        // Without its key it is of no use to others, and the key stays here.
        if token.authorization().possession().is_some() {
            return;
        }
        let clock = &*self.shared.exchange.clock;
        let times = [clock.now(), token.expires_at(), token.refresh_at()];
        let correlation_id = token.correlation_id().unwrap_or_default();
        let record = Record::new(token.authorization(), times, correlation_id);
        store.save(&self.store_key(), &record, clock).await;
    }

    async fn asked(&self, challenge: Option<&str>, reason: FetchReason) -> Outcome {
        let exchange = &self.shared.exchange;
        let began = exchange.clock.elapsed();
        let correlation_id = exchange.entropy.uuid();
        let claims = self.claims(challenge)?;
        let refresh_token = self.entry.last().and_then(|kept| kept.take_refresh_token());
        let authority = self.authority();
        let mut errand = Errand {
            authority: &authority,
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
                let Errand { cost, .. } = errand;
                let fetched = Fetched {
                    reason,
                    took: milliseconds(took),
                    network: milliseconds(cost.network()),
                    attempts: cost.attempts(),
                };
                let kept = self.of_answer(issued, authority, &correlation_id, fetched);
                Ok(AccessToken::new(Arc::new(kept), TokenOrigin::Server))
            }
            Err(error) => Err(error.of_errand(&errand, took)),
        }
    }

    /// What the application can handle, what it wants, and what a web API asked for.
    fn claims(&self, challenge: Option<&str>) -> Result<Option<String>, Error> {
        let mut all = self.shared.capabilities.clone();
        for more in [self.profile().claims.as_deref(), challenge].into_iter().flatten() {
            all = claims::merge(all, claims::parse(more)?);
        }
        Ok(claims::to_text(&all))
    }

    fn of_answer(
        &self,
        issued: Issued,
        authority: Authority,
        correlation_id: &str,
        fetched: Fetched,
    ) -> Kept {
        let moment = self.shared.exchange.clock.glance();
        let refresh_after = self.entry.refresh_after(issued.lifetime, issued.refresh_in);
        let margin = refresh::margin(issued.lifetime);
        let usable = issued.lifetime - Duration::from_micros(margin.into());
        Kept {
            term: Term::from(moment, usable, refresh_after),
            usage: Usage::default(),
            shown: issued.shown,
            authorization: issued.authorization,
            authority: Some(authority),
            correlation_id: Uuid::try_parse(correlation_id).unwrap_or_default(),
            fetched,
            margin,
            refresh_token: ArcSwapOption::from(issued.refresh_token.map(Arc::new)),
        }
    }

    /// A token whose times were written by another clock: wall time is all that the two have in common.
    fn of_record(&self, record: &Record, took: Duration, reason: FetchReason) -> Option<Kept> {
        let moment = self.shared.exchange.clock.glance();
        let until = |at: SystemTime| at.duration_since(moment.now()).unwrap_or_default();
        let lifetime = record.expires_at().duration_since(record.issued_at()).unwrap_or_default();
        let margin = refresh::margin(lifetime);
        let usable_until = record.expires_at().checked_sub(Duration::from_micros(margin.into()))?;
        Some(Kept {
            term: Term::from(moment, until(usable_until), until(record.refresh_at())),
            usage: Usage::default(),
            shown: None,
            authorization: record.authorization()?,
            authority: Some(self.authority()),
            correlation_id: Uuid::try_parse(&record.correlation_id).unwrap_or_default(),
            fetched: Fetched { reason, took: milliseconds(took), network: 0, attempts: 0 },
            margin,
            refresh_token: ArcSwapOption::empty(),
        })
    }

    fn store_key(&self) -> StoreKey {
        let capabilities = claims::to_text(&self.shared.capabilities).unwrap_or_default();
        let client_id = self.shared.exchange.client_id.as_str();
        StoreKey::new(&self.authority().identifier(), client_id, &capabilities, self.profile())
    }

    fn report(&self, error: &Error, reason: FetchReason) {
        let (scope, codes) = (self.scope.as_str(), error.codes());
        let (status, attempts, correlation_id) = (error.status(), error.attempts(), error.correlation_id());
        let took_ms = milliseconds(error.duration());
        match reason {
            // Nobody waits for a renewal, so nobody else would tell.
            FetchReason::Due => {
                warn!(scope, ?codes, status, attempts, took_ms, correlation_id, %error, "token not renewed");
            }
            _ => debug!(scope, ?codes, status, attempts, took_ms, correlation_id, %error, "no token"),
        }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
