//! Places for the requests of many tenants, given out by deficit round robin.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// As many places as requests may be under way. While there are enough, nobody waits. Otherwise tenants take turns: at
/// each turn a tenant is credited one request, and goes when its credit pays for what it sends, which for a batch is
/// as much as the requests in it. So a thousand waiting requests of one tenant delay another by one at a time.
#[derive(Debug)]
pub(crate) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    free: u32,
    /// Whose turn is next; each tenant that waits is in it once.
    turns: VecDeque<Arc<str>>,
    lanes: HashMap<Arc<str>, Lane>,
    /// Who was given a place and has not taken it yet.
    given: HashSet<u64>,
    next_ticket: u64,
}

#[derive(Debug, Default)]
struct Lane {
    credit: u32,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    cost: u32,
    waker: Waker,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    pub(crate) fn new(places: u32) -> Self {
        Self(Mutex::new(State {
            free: places.max(1),
            turns: VecDeque::new(),
            lanes: HashMap::new(),
            given: HashSet::new(),
            next_ticket: 0,
        }))
    }

    /// A place for a request of `tenant`. Dropping the future gives up the wait.
    pub(crate) async fn take(&self, tenant: &Arc<str>, cost: u32) -> Place<'_> {
        let mut wait = Wait { places: self, tenant, ticket: None };
        poll_fn(|context| {
            let mut state = self.state();
            let Some(ticket) = wait.ticket else {
                if state.free > 0 && state.turns.is_empty() {
                    state.free -= 1;
                    return Poll::Ready(());
                }
                wait.ticket = Some(state.join(tenant, cost, context.waker()));
                return Poll::Pending;
            };
            if state.given.remove(&ticket) {
                wait.ticket = None;
                return Poll::Ready(());
            }
            state.wait_on(tenant, ticket, context.waker());
            Poll::Pending
        })
        .await;
        Place(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, tenant: &Arc<str>, cost: u32, waker: &Waker) -> u64 {
        const MOST: u32 = 64;
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        if !self.lanes.contains_key(tenant) {
            self.turns.push_back(Arc::clone(tenant));
        }
        let lane = self.lanes.entry(Arc::clone(tenant)).or_default();
        lane.waiting.push_back(Waiter { ticket, cost: cost.clamp(1, MOST), waker: waker.clone() });
        ticket
    }

    fn wait_on(&mut self, tenant: &str, ticket: u64, waker: &Waker) {
        let waiting = self.lanes.get_mut(tenant).into_iter().flat_map(|lane| &mut lane.waiting);
        if let Some(waiter) = waiting.into_iter().find(|waiter| waiter.ticket == ticket) {
            waiter.waker.clone_from(waker);
        }
    }

    /// Gives out what is free.
    fn give(&mut self) {
        while self.free > 0 {
            let Some(tenant) = self.turns.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&tenant) else { continue };
            lane.credit += 1;
            if lane.waiting.front().is_some_and(|first| first.cost <= lane.credit)
                && let Some(Waiter { ticket, cost, waker }) = lane.waiting.pop_front()
            {
                lane.credit -= cost;
                self.free -= 1;
                self.given.insert(ticket);
                waker.wake();
            }
            // Who waits for nothing saves nothing up.
            if lane.waiting.is_empty() {
                self.lanes.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
    }

    fn leave(&mut self, tenant: &str, ticket: u64) {
        if self.given.remove(&ticket) {
            self.free += 1;
            return self.give();
        }
        let Some(lane) = self.lanes.get_mut(tenant) else { return };
        lane.waiting.retain(|waiter| waiter.ticket != ticket);
        if lane.waiting.is_empty() {
            self.lanes.remove(tenant);
            self.turns.retain(|other| &**other != tenant);
        }
    }
}

/// Somebody who waits, until there is a place or the wait is given up.
struct Wait<'a> {
    places: &'a Places,
    tenant: &'a str,
    ticket: Option<u64>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.places.state().leave(self.tenant, ticket);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.free += 1;
        state.give();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use futures_util::FutureExt as _;

    use super::*;

    type Taking<'a> = Pin<Box<dyn Future<Output = Place<'a>> + Send + 'a>>;

    fn wait<'a>(places: &'a Places, tenant: &'a Arc<str>, cost: u32) -> Taking<'a> {
        let mut taking: Taking<'a> = Box::pin(places.take(tenant, cost));
        assert!((&mut taking).now_or_never().is_none(), "there is no place yet");
        taking
    }

    /// Frees one place after the other; the order in which those who wait get it.
    fn order<'a>(held: Place<'a>, mut waiting: Vec<(usize, Taking<'a>)>) -> Vec<usize> {
        let (mut held, mut order) = (Some(held), Vec::new());
        while !waiting.is_empty() {
            held.take();
            let (at, place) = (0..waiting.len())
                .find_map(|at| (&mut waiting[at].1).now_or_never().map(|place| (at, place)))
                .unwrap();
            held = Some(place);
            order.push(waiting.remove(at).0);
        }
        order
    }

    fn tenants() -> [Arc<str>; 2] {
        ["a".into(), "b".into()]
    }

    // RL-6
    #[test]
    fn tenants_take_turns_however_long_their_backlogs_are() {
        let (places, [a, b]) = (Places::new(1), tenants());
        let held = places.take(&a, 1).now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..5).map(|at| (at, wait(&places, &a, 1))).collect();
        waiting.extend((5..7).map(|at| (at, wait(&places, &b, 1))));
        assert_eq!(order(held, waiting), [0, 5, 1, 6, 2, 3, 4]);
    }

    // RL-6, BT-6
    #[test]
    fn a_batch_takes_as_many_turns_as_there_are_requests_in_it() {
        let (places, [a, b]) = (Places::new(1), tenants());
        let held = places.take(&a, 1).now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..2).map(|at| (at, wait(&places, &a, 3))).collect();
        waiting.extend((2..8).map(|at| (at, wait(&places, &b, 1))));
        assert_eq!(order(held, waiting), [2, 3, 0, 4, 5, 6, 1, 7]);
    }

    #[test]
    fn who_gives_up_leaves_the_place_to_the_next() {
        let (places, [a, b]) = (Places::new(1), tenants());
        let held = places.take(&a, 1).now_or_never().unwrap();
        let (first, second, third) = (wait(&places, &a, 1), wait(&places, &b, 1), wait(&places, &b, 1));
        drop(second);
        drop(held);
        // It was given the place, and goes without having looked.
        drop(first);
        assert!(third.now_or_never().is_some());
        assert!(places.state().lanes.is_empty() && places.state().turns.is_empty());
        assert!(places.take(&a, 1).now_or_never().is_some());
    }
}
