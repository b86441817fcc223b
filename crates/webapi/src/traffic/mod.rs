//! What the clients of one process have in common.

mod fair;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::fair::Place;
use self::fair::Places;
use crate::breaker::Breaker;
use crate::budget::RetryBudget;
use crate::gate::Gate;
use crate::limits::Paces;

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
    origins: Arc<Mutex<HashMap<String, Arc<Origin>>>>,
}

/// What is shared by everybody who calls one origin.
pub(crate) struct Origin {
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    pub(crate) places: Places,
    pub(crate) paces: Paces,
    /// What requests of a kind cost, as the API itself has said.
    costs: Mutex<HashMap<String, u32>>,
    /// Whether it has refused a compressed body.
    pub(crate) wants_plain_bodies: AtomicBool,
    /// By application and tenant.
    gates: Mutex<HashMap<Arc<str>, Arc<Gate>>>,
}

impl Traffic {
    /// At most so many requests are under way at one origin, whoever sends them; 1,024 by default.
    #[must_use]
    pub fn at_most(requests: u32) -> Self {
        Self { most: requests.max(1), origins: Arc::default() }
    }

    pub(crate) fn origin(&self, origin: &str) -> Arc<Origin> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Origin::new(self.most));
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
    fn new(most: u32) -> Self {
        Self {
            breaker: Breaker::default(),
            budget: RetryBudget::default(),
            places: Places::new(most),
            paces: Paces::default(),
            costs: Mutex::default(),
            wants_plain_bodies: AtomicBool::new(false),
            gates: Mutex::default(),
        }
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

    /// The gate of an application in a tenant. Of several ceilings the lowest holds.
    pub(crate) fn gate(&self, owner: &Arc<str>, ceiling: u32) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.entry(Arc::clone(owner)).or_insert_with(|| Arc::new(Gate::new(ceiling)));
        gate.narrow(ceiling);
        Arc::clone(gate)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use unattended_core::{ManualClock, SeededEntropy};

    use super::*;

    // BT-6
    #[test]
    fn those_who_share_a_gate_share_the_lowest_of_their_ceilings() {
        let (clock, entropy) = (ManualClock::at(1_000), SeededEntropy::new(1));
        let (origin, owner) = (Traffic::default().origin("https://h"), Arc::from("tenant app"));
        let (wide, narrow) = (origin.gate(&owner, 100), origin.gate(&owner, 2));
        assert!(Arc::ptr_eq(&wide, &narrow));
        let pass = |gate: &Arc<Gate>| {
            let gate = Arc::clone(gate);
            let (clock, entropy) = (clock.clone(), &entropy);
            async move { gate.pass(1, Duration::from_secs(9), &clock, entropy).await.map(std::mem::forget) }
                .now_or_never()
        };
        assert_eq!((pass(&wide), pass(&narrow)), (Some(Ok(())), Some(Ok(()))));
        assert_eq!(pass(&wide), None);
    }
}
