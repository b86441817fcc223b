//! What the clients of one process have in common.

mod fair;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use unattended_core::Clock;

pub(crate) use self::fair::Place;
use self::fair::Places;
use crate::breaker::Breaker;
use crate::budget::RetryBudget;
use crate::gate::{Access, Gate, GateLedger, Notes};
use crate::hedge::Hedges;
use crate::limits::{Paces, Quota};
use crate::metrics::{Counters, Metrics};

/// What is learned about each API, for all clients of a process: give every [`ClientBuilder`] the same one.
///
/// Whether an API works, and how many retries it is burdened with, is known for each origin. How much it bears is known
/// for each application in each tenant, since that is whose quota it is. The requests that are under way at an origin
/// are limited as a whole, and tenants take turns: the backlog of one does not delay the others.
///
/// Clients that share it need to have the same clock.
///
/// [`ClientBuilder`]: crate::ClientBuilder
#[derive(Clone)]
pub struct Traffic {
    most: u32,
    ledger: Option<Arc<dyn GateLedger>>,
    origins: Arc<Mutex<HashMap<String, Arc<Origin>>>>,
}

/// What is shared by everybody who calls one origin.
pub(crate) struct Origin {
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    pub(crate) hedges: Hedges,
    pub(crate) places: Places,
    pub(crate) paces: Paces,
    pub(crate) counters: Counters,
    /// What requests of a kind cost, as the API itself has said.
    costs: Mutex<HashMap<String, u32>>,
    /// Whether it has refused a compressed body.
    pub(crate) wants_plain_bodies: AtomicBool,
    /// By application and tenant, and by what the API throttles for itself.
    gates: Mutex<HashMap<Quota, Arc<Gate>>>,
    /// Where other processes are told, and under which name of this API.
    ledger: Option<(Arc<dyn GateLedger>, String)>,
}

impl Traffic {
    /// At most so many requests are under way at one origin, whoever sends them; 1,024 by default.
    #[must_use]
    pub fn at_most(requests: u32) -> Self {
        Self { most: requests.max(1), ledger: None, origins: Arc::default() }
    }

    /// Shares with other processes of the same application until when an API has asked to be left alone.
    #[must_use]
    pub fn shared_through(self, ledger: Arc<dyn GateLedger>) -> Self {
        Self { ledger: Some(ledger), origins: Arc::default(), ..self }
    }

    pub(crate) fn origin(&self, origin: &str) -> Arc<Origin> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = || self.ledger.clone().map(|ledger| (ledger, origin.to_owned()));
        let new = || Arc::new(Origin::new(self.most, ledger()));
        Arc::clone(origins.entry(origin.to_owned()).or_insert_with(new))
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self::at_most(1_024)
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Origin {
    fn new(most: u32, ledger: Option<(Arc<dyn GateLedger>, String)>) -> Self {
        Self {
            breaker: Breaker::default(),
            budget: RetryBudget::default(),
            hedges: Hedges::default(),
            places: Places::new(most),
            paces: Paces::default(),
            counters: Counters::default(),
            costs: Mutex::default(),
            wants_plain_bodies: AtomicBool::new(false),
            gates: Mutex::default(),
            ledger,
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gates.values().map(|gate| gate.told());
        let (closed, share) = known.fold((Duration::ZERO, 0.0_f64), |(closed, share), (was_closed, used)| {
            (closed.saturating_add(was_closed), share.max(used))
        });
        self.counters.read(closed, share)
    }

    /// Notes what the API says that a request of this kind costs.
    pub(crate) fn learn_cost(&self, template: String, units: u32) {
        const MOST: usize = 1_000;
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        if costs.len() < MOST || costs.contains_key(&template) {
            costs.insert(template, units.max(1));
        }
    }

    /// What a request of this kind costs, if the API has said so.
    pub(crate) fn cost(&self, template: &str) -> Option<u32> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).get(template).copied()
    }

    /// The gate of an application in a tenant, or of a part of the API for it. Of several ceilings the lowest holds.
    pub(crate) fn gate(&self, quota: Quota, ceiling: u32, clock: &dyn Clock) -> Arc<Gate> {
        /// From so many on, those are forgotten that nobody uses and that are open: of mailboxes there are many.
        const MANY: usize = 10_000;
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&quota) {
            gate.narrow(ceiling);
            return Arc::clone(gate);
        }
        if gates.len() >= MANY {
            gates.retain(|_, gate| {
                Arc::strong_count(gate) > 1 || !gate.closed_here_for(Access::Both, clock).is_zero()
            });
        }
        let notes = self.ledger.as_ref().map(|(ledger, api)| {
            let Quota { owner, name } = &quota;
            Notes::new(Arc::clone(ledger), format!("{api} {owner} {name}").trim_end())
        });
        let gate = Arc::new(Gate::new(ceiling, notes));
        gates.insert(quota, Arc::clone(&gate));
        gate
    }

    /// Closes the gates of an application in all of its tenants that are known here.
    pub(crate) fn close_in_every_tenant(
        &self,
        quota: &Quota,
        wait: Duration,
        access: Access,
        clock: &dyn Clock,
    ) {
        // An owner is a tenant and an application.
        let application = |owner: &str| owner.rsplit_once(' ').map(|(_, application)| application.to_owned());
        let (wanted, gates) =
            (application(&quota.owner), self.gates.lock().unwrap_or_else(PoisonError::into_inner));
        for (other, gate) in gates.iter() {
            if other.name == quota.name && application(&other.owner) == wanted {
                gate.close_for(wait, access, clock);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use unattended_core::{ManualClock, SeededEntropy};

    use super::*;
    use crate::gate::Passage;

    fn quota(owner: &str, name: &str) -> Quota {
        Quota { owner: owner.into(), name: name.to_owned() }
    }

    // RL-1
    #[test]
    fn a_refusal_of_the_application_closes_its_gates_in_every_tenant() {
        let (clock, origin) = (ManualClock::at(1_000), Traffic::default().origin("https://h"));
        let gate = |owner: &str, name: &str| origin.gate(quota(owner, name), 8, &clock);
        let gates = [gate("a app", ""), gate("b app", ""), gate("a app", "teams"), gate("a other", "")];
        origin.close_in_every_tenant(&quota("a app", ""), Duration::from_secs(9), Access::Both, &clock);
        assert_eq!(gates.map(|gate| gate.closed_for(Access::Read, &clock).as_secs()), [9, 9, 0, 0]);
    }

    // BT-6
    #[test]
    fn those_who_share_a_gate_share_the_lowest_of_their_ceilings() {
        let (clock, entropy) = (ManualClock::at(1_000), SeededEntropy::new(1));
        let (origin, owner) = (Traffic::default().origin("https://h"), quota("tenant app", ""));
        let (wide, narrow) = (origin.gate(owner.clone(), 100, &clock), origin.gate(owner, 2, &clock));
        assert!(Arc::ptr_eq(&wide, &narrow));
        let one = Passage { access: Access::Read, cost: 1, places: 1 };
        let pass = |gate: &Arc<Gate>| {
            let gate = Arc::clone(gate);
            let (clock, entropy) = (clock.clone(), &entropy);
            async move { gate.pass(one, Duration::from_secs(9), &clock, entropy).await.map(std::mem::forget) }
                .now_or_never()
        };
        assert_eq!((pass(&wide), pass(&narrow)), (Some(Ok(())), Some(Ok(()))));
        assert_eq!(pass(&wide), None);
    }
}
