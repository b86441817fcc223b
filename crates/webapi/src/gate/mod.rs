//! One gate for everybody who calls the same API as the same application.

mod access;
mod ledger;
mod limit;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use unattended_core::{Clock, Entropy, within};

pub(crate) use self::access::{Access, Scope};
pub use self::ledger::GateLedger;
use self::ledger::LOOK_EVERY;
pub(crate) use self::ledger::Notes;
use self::limit::Limit;

/// Closed while the API has asked to be left alone: one caller's `429` holds back all of them, because each request
/// that comes too early is charged against the same quota. While it is open, as many pass at once as the API has been
/// seen to bear.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// What other processes know of it.
    notes: Option<Notes>,
}

#[derive(Debug)]
struct State {
    /// On the monotonic clock, like all times here.
    reads_closed_until: Duration,
    writes_closed_until: Duration,
    /// How long it was closed, or is going to be, for either.
    closed: Duration,
    next_look: Duration,
    limit: Limit,
    under_way: u32,
    /// Who waits for a place, in the order of arrival.
    queue: BTreeMap<u64, Option<Waker>>,
    next_ticket: u64,
}

/// The gate stays closed for longer than the caller can wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StaysClosed {
    pub(crate) wait: Duration,
}

/// What wants to pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) access: Access,
    /// What it takes from a quota: a batch as much as the requests in it.
    pub(crate) cost: u32,
    /// How many it counts for among those that are under way.
    pub(crate) places: u32,
}

/// Places among those that are under way; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    gate: &'a Gate,
    places: u32,
}

impl Gate {
    /// A gate that lets at most `ceiling` requests pass at once.
    pub(crate) fn new(ceiling: u32, notes: Option<Notes>) -> Self {
        let state = Mutex::new(State {
            reads_closed_until: Duration::ZERO,
            writes_closed_until: Duration::ZERO,
            closed: Duration::ZERO,
            next_look: Duration::ZERO,
            limit: Limit::new(ceiling),
            under_way: 0,
            queue: BTreeMap::new(),
            next_ticket: 0,
        });
        Self { state, notes }
    }

    /// At most `ceiling` pass at once from now on.
    pub(crate) fn narrow(&self, ceiling: u32) {
        self.state().limit.narrow(ceiling);
    }

    /// Nobody with such a request passes for `wait` from now, in other processes either. A shorter wait than an earlier
    /// one changes nothing.
    pub(crate) fn close_for(&self, wait: Duration, access: Access, clock: &dyn Clock) {
        let [reads, writes] = match access {
            Access::Read => [wait, Duration::ZERO],
            Access::Write => [Duration::ZERO, wait],
            Access::Both => [wait, wait],
        };
        self.close_here(reads, writes, clock);
        if let Some(notes) = &self.notes {
            notes.leave(wait, access, clock);
        }
    }

    fn close_here(&self, reads: Duration, writes: Duration, clock: &dyn Clock) {
        // To the nanosecond, where all else here may be a tick behind: so it opens late rather than early.
        let now = clock.elapsed();
        let mut state = self.state();
        let closed_until = |state: &State| state.reads_closed_until.max(state.writes_closed_until).max(now);
        let before = closed_until(&state);
        state.reads_closed_until = state.reads_closed_until.max(now.saturating_add(reads));
        state.writes_closed_until = state.writes_closed_until.max(now.saturating_add(writes));
        let longer = closed_until(&state) - before;
        state.closed = state.closed.saturating_add(longer);
    }

    /// Closes for as long as other processes have been told.
    fn heed_others(&self, clock: &dyn Clock) {
        let Some(notes) = &self.notes else { return };
        let now = clock.elapsed_coarse();
        {
            let mut state = self.state();
            if now < state.next_look {
                return;
            }
            state.next_look = now.saturating_add(LOOK_EVERY);
        }
        let [reads, writes] = notes.read(clock);
        if !(reads.is_zero() && writes.is_zero()) {
            self.close_here(reads, writes, clock);
        }
    }

    /// Learns from an answer how much the API bears.
    pub(crate) fn learn(&self, status: StatusCode, headers: &HeaderMap, clock: &dyn Clock) {
        let mut state = self.state();
        state.limit.learn(status, headers, clock.elapsed_coarse());
        state.wake_next();
    }

    /// Waits until the gate is open and there is a place, if that is within `patience`; otherwise says at once how
    /// long it would be.
    ///
    /// Those who waited pass spread over 250 ms: all at the same instant would close it again.
    pub(crate) async fn pass(
        &self,
        passage: Passage,
        patience: Duration,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Permit<'_>, StaysClosed> {
        let Passage { access, cost, places } = passage;
        const SPREAD: Duration = Duration::from_millis(250);
        let started = clock.elapsed_coarse();
        let left = || patience.saturating_sub(clock.elapsed_coarse().saturating_sub(started));
        loop {
            let wait = self.closed_for(access, clock);
            if !wait.is_zero() {
                if wait > left() {
                    return Err(StaysClosed { wait });
                }
                clock.sleep(wait + SPREAD.mul_f64(entropy.unit())).await;
                continue;
            }
            let Some(permit) = self.place(places, left(), clock).await else {
                return Err(StaysClosed { wait: self.closed_for(access, clock) });
            };
            // It may have been closed while this one stood in the queue.
            if !self.closed_for(access, clock).is_zero() {
                continue;
            }
            let turn = self.state().limit.turn(cost, clock.elapsed_coarse());
            if turn > left() {
                return Err(StaysClosed { wait: turn });
            }
            if !turn.is_zero() {
                clock.sleep(turn).await;
            }
            return Ok(permit);
        }
    }

    /// Passes if nothing is in the way: nobody is waiting, and of the quota less than `share` is used.
    pub(crate) fn pass_at_once(&self, passage: Passage, share: f64, clock: &dyn Clock) -> Option<Permit<'_>> {
        if !self.closed_for(Access::Both, clock).is_zero() {
            return None;
        }
        let mut state = self.state();
        let is_free = state.queue.is_empty()
            && state.has_room_for(passage.places)
            && state.limit.used() < share
            && !state.limit.is_paced(clock.elapsed_coarse());
        is_free.then(|| {
            state.under_way += passage.places;
            Permit { gate: self, places: passage.places }
        })
    }

    /// So many places, first come first served; none if that takes longer than `patience`.
    async fn place(&self, places: u32, patience: Duration, clock: &dyn Clock) -> Option<Permit<'_>> {
        within(clock, patience, pin!(Queued { gate: self, places, ticket: None }.taken())).await
    }

    /// How long it stays closed for such a request.
    pub(crate) fn closed_for(&self, access: Access, clock: &dyn Clock) -> Duration {
        self.heed_others(clock);
        self.closed_here_for(access, clock)
    }

    /// The same, without a look at what other processes have been told.
    pub(crate) fn closed_here_for(&self, access: Access, clock: &dyn Clock) -> Duration {
        let state = self.state();
        let until = match access {
            Access::Read => state.reads_closed_until,
            Access::Write => state.writes_closed_until,
            Access::Both => state.reads_closed_until.max(state.writes_closed_until),
        };
        until.saturating_sub(clock.elapsed_coarse())
    }

    /// How long it was closed, or is going to be, and the share of its quota that the API has said last is used.
    pub(crate) fn told(&self) -> (Duration, f64) {
        let state = self.state();
        (state.closed, state.limit.used())
    }

    /// How many may be under way just now.
    pub(crate) fn width(&self) -> u32 {
        self.state().limit.width()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What counts for more than may be under way goes alone.
    fn has_room_for(&self, places: u32) -> bool {
        self.under_way == 0 || self.under_way.saturating_add(places) <= self.limit.width()
    }

    fn wake_next(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let free = self.limit.width().saturating_sub(self.under_way);
        let first = self.queue.values_mut().take(free as usize);
        first.filter_map(Option::take).for_each(Waker::wake);
    }
}

/// A place in the queue, left when it is dropped.
struct Queued<'a> {
    gate: &'a Gate,
    places: u32,
    ticket: Option<u64>,
}

impl<'a> Queued<'a> {
    async fn taken(mut self) -> Permit<'a> {
        poll_fn(|context| {
            let mut state = self.gate.state();
            let is_first = match self.ticket {
                None => state.queue.is_empty(),
                Some(ticket) => state.queue.first_key_value().is_some_and(|(first, _)| *first == ticket),
            };
            if is_first && state.has_room_for(self.places) {
                if let Some(ticket) = self.ticket.take() {
                    state.queue.remove(&ticket);
                }
                state.under_way += self.places;
                state.wake_next();
                return Poll::Ready(Permit { gate: self.gate, places: self.places });
            }
            let ticket = *self.ticket.get_or_insert_with(|| {
                state.next_ticket += 1;
                state.next_ticket
            });
            state.queue.insert(ticket, Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.gate.state();
            state.queue.remove(&ticket);
            state.wake_next();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.under_way -= self.places;
        state.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unattended_core::{ManualClock, SeededEntropy};

    use super::*;

    /// One request that reads.
    const ONE: Passage = Passage { access: Access::Read, cost: 1, places: 1 };

    // RL-1
    #[tokio::test]
    async fn a_closed_gate_holds_everyone_until_the_latest_time_that_was_asked() {
        let (clock, gate) = (ManualClock::at(1_000), Arc::new(Gate::new(8, None)));
        gate.close_for(Duration::from_secs(10), Access::Both, &clock);
        gate.close_for(Duration::from_secs(3), Access::Both, &clock);
        let waiter = {
            let (clock, gate) = (clock.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.pass(ONE, Duration::from_secs(60), &clock, &SeededEntropy::new(1)).await.map(drop)
            })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_millis(9_999));
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        clock.advance(Duration::from_millis(251));
        assert_eq!(waiter.await.unwrap(), Ok(()));
    }

    // RT-5
    #[tokio::test]
    async fn who_cannot_wait_that_long_is_told_at_once() {
        let (clock, gate) = (ManualClock::at(1_000), Gate::new(8, None));
        gate.close_for(Duration::from_secs(300), Access::Both, &clock);
        let told = gate.pass(ONE, Duration::from_secs(120), &clock, &SeededEntropy::new(1)).await.map(drop);
        assert_eq!(told, Err(StaysClosed { wait: Duration::from_secs(300) }));
        assert!(clock.slept().is_empty());
    }

    // RL-2
    #[tokio::test]
    async fn places_go_to_those_who_came_first_and_a_dropped_wait_costs_nobody_one() {
        let (clock, entropy) = (ManualClock::at(1_000), SeededEntropy::new(1));
        let gate = Gate::new(2, None);
        let pass = || Box::pin(gate.pass(ONE, Duration::from_secs(60), &clock, &entropy));
        let (first, second) = (pass().await.unwrap(), pass().await.unwrap());
        let (mut third, mut fourth, mut fifth) = (pass(), pass(), pass());
        use futures_util::FutureExt as _;
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        assert!((&mut fifth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "the third came before");
        drop(third);
        let fourth = (&mut fourth).now_or_never().unwrap().unwrap();
        drop(second);
        assert!(fifth.now_or_never().is_some());
        drop(fourth);
        // Who cannot wait for a place is told when the time is over.
        let _held = (pass().await.unwrap(), pass().await.unwrap());
        let mut late = pass();
        assert!((&mut late).now_or_never().is_none());
        clock.advance(Duration::from_secs(61));
        assert!(late.await.is_err());
    }

    // RL-1
    #[tokio::test]
    async fn a_refusal_of_writes_closes_it_for_writes() {
        let (clock, gate) = (ManualClock::at(1_000), Gate::new(8, None));
        let second = Duration::from_secs(1);
        gate.close_for(9 * second, Access::Write, &clock);
        let closed =
            [Access::Read, Access::Write, Access::Both].map(|access| gate.closed_for(access, &clock));
        assert_eq!(closed, [0, 9, 9].map(|seconds| seconds * second));
        gate.close_for(5 * second, Access::Read, &clock);
        assert_eq!(gate.closed_for(Access::Read, &clock), 5 * second);
        assert_eq!(gate.closed_for(Access::Both, &clock), 9 * second);
    }

    // BT-6
    #[test]
    fn what_counts_for_several_takes_as_many_places_and_more_than_there_are_only_alone() {
        use futures_util::FutureExt as _;
        let (clock, entropy) = (ManualClock::at(1_000), SeededEntropy::new(1));
        let gate = Gate::new(4, None);
        let pass = |places| {
            Box::pin(gate.pass(Passage { places, ..ONE }, Duration::from_secs(60), &clock, &entropy))
        };
        let three = pass(3).now_or_never().unwrap().unwrap();
        let mut two = pass(2);
        assert!((&mut two).now_or_never().is_none());
        drop(three);
        let two = (&mut two).now_or_never().unwrap().unwrap();
        let mut nine = pass(9);
        assert!((&mut nine).now_or_never().is_none());
        drop(two);
        let nine = (&mut nine).now_or_never().unwrap().unwrap();
        assert!(pass(1).now_or_never().is_none());
        drop(nine);
        assert!(pass(4).now_or_never().is_some());
    }

    /// A ledger in memory.
    #[derive(Debug, Default)]
    struct Notebook(Mutex<std::collections::HashMap<String, std::time::SystemTime>>);

    impl GateLedger for Notebook {
        fn closed_until(&self, quota: &str) -> Option<std::time::SystemTime> {
            self.0.lock().unwrap().get(quota).copied()
        }

        fn close(&self, quota: &str, until: std::time::SystemTime) {
            self.0.lock().unwrap().insert(quota.to_owned(), until);
        }
    }

    // RL-7
    #[test]
    fn what_one_process_is_told_holds_for_another_one() {
        let (clock, ledger) = (ManualClock::at(1_000), Arc::new(Notebook::default()));
        let gate = |name: &str| Gate::new(8, Some(Notes::new(ledger.clone(), name)));
        let (one, other, elsewhere) = (gate("graph"), gate("graph"), gate("graph teams"));
        let closed = |gate: &Gate, access| gate.closed_for(access, &clock).as_secs();
        assert_eq!(closed(&other, Access::Both), 0);
        one.close_for(Duration::from_secs(30), Access::Write, &clock);
        assert_eq!(closed(&other, Access::Both), 0, "it looks ten times a second");
        clock.advance(Duration::from_millis(100));
        assert_eq!([closed(&other, Access::Write), closed(&other, Access::Read)], [29, 0]);
        assert_eq!(closed(&elsewhere, Access::Both), 0);
        clock.advance(Duration::from_secs(30));
        assert_eq!(closed(&other, Access::Write), 0);
        // One that begins later looks at once.
        one.close_for(Duration::from_secs(30), Access::Both, &clock);
        assert_eq!(closed(&gate("graph"), Access::Read), 30);
    }
}
