//! One gate for everybody who calls the same API as the same application.

mod limit;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use unattended_core::{Clock, Entropy};

use self::limit::Limit;

/// Closed while the API has asked to be left alone: one caller's `429` holds back all of them, because each request
/// that comes too early is charged against the same quota. While it is open, as many pass at once as the API has been
/// seen to bear.
#[derive(Debug)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    /// On the monotonic clock.
    closed_until: Duration,
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

/// A place among those that are under way; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Gate);

impl Gate {
    /// A gate that lets at most `ceiling` requests pass at once.
    pub(crate) fn new(ceiling: u32) -> Self {
        Self(Mutex::new(State {
            closed_until: Duration::ZERO,
            limit: Limit::new(ceiling),
            under_way: 0,
            queue: BTreeMap::new(),
            next_ticket: 0,
        }))
    }

    /// At most `ceiling` pass at once from now on.
    pub(crate) fn narrow(&self, ceiling: u32) {
        self.state().limit.narrow(ceiling);
    }

    /// Nobody passes for `wait` from now. A shorter wait than an earlier one changes nothing.
    pub(crate) fn close_for(&self, wait: Duration, clock: &dyn Clock) {
        // To the nanosecond, where all else here may be a tick behind: so it opens late rather than early.
        let until = clock.elapsed().saturating_add(wait);
        let mut state = self.state();
        state.closed_until = until.max(state.closed_until);
    }

    /// Learns from an answer how much the API bears.
    pub(crate) fn learn(&self, status: StatusCode, headers: &HeaderMap, clock: &dyn Clock) {
        let mut state = self.state();
        state.limit.learn(status, headers, clock.glance().elapsed);
        state.wake_next();
    }

    /// Waits until the gate is open and there is a place, if that is within `patience`; otherwise says at once how
    /// long it would be. `cost` is what the request takes from a quota: a batch as much as the requests in it.
    ///
    /// Those who waited pass spread over 250 ms: all at the same instant would close it again.
    pub(crate) async fn pass(
        &self,
        cost: u32,
        patience: Duration,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Permit<'_>, StaysClosed> {
        const SPREAD: Duration = Duration::from_millis(250);
        let started = clock.glance().elapsed;
        let left = || patience.saturating_sub(clock.glance().elapsed.saturating_sub(started));
        loop {
            let wait = self.closed_for(clock);
            if !wait.is_zero() {
                if wait > left() {
                    return Err(StaysClosed { wait });
                }
                clock.sleep(wait + SPREAD.mul_f64(entropy.unit())).await;
                continue;
            }
            let Some(permit) = self.place(left(), clock).await else {
                return Err(StaysClosed { wait: self.closed_for(clock) });
            };
            // It may have been closed while this one stood in the queue.
            if !self.closed_for(clock).is_zero() {
                continue;
            }
            let turn = self.state().limit.turn(cost, clock.glance().elapsed);
            if turn > left() {
                return Err(StaysClosed { wait: turn });
            }
            if !turn.is_zero() {
                clock.sleep(turn).await;
            }
            return Ok(permit);
        }
    }

    /// A place, first come first served; none if that takes longer than `patience`.
    async fn place(&self, patience: Duration, clock: &dyn Clock) -> Option<Permit<'_>> {
        let mut place = pin!(Queued { gate: self, ticket: None }.taken());
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(permit) = place.as_mut().poll(context) {
                return Poll::Ready(Some(permit));
            }
            let timer = timer.get_or_insert_with(|| clock.sleep(patience));
            timer.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// How long it stays closed.
    pub(crate) fn closed_for(&self, clock: &dyn Clock) -> Duration {
        self.state().closed_until.saturating_sub(clock.glance().elapsed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_place(&self) -> bool {
        self.under_way < self.limit.width()
    }

    fn wake_next(&mut self) {
        let free = self.limit.width().saturating_sub(self.under_way);
        let first = self.queue.values_mut().take(free as usize);
        first.filter_map(Option::take).for_each(Waker::wake);
    }
}

/// A place in the queue, left when it is dropped.
struct Queued<'a> {
    gate: &'a Gate,
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
            if is_first && state.has_place() {
                if let Some(ticket) = self.ticket.take() {
                    state.queue.remove(&ticket);
                }
                state.under_way += 1;
                state.wake_next();
                return Poll::Ready(Permit(self.gate));
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
        let mut state = self.0.state();
        state.under_way -= 1;
        state.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unattended_core::{ManualClock, SeededEntropy};

    use super::*;

    // RL-1
    #[tokio::test]
    async fn a_closed_gate_holds_everyone_until_the_latest_time_that_was_asked() {
        let (clock, gate) = (ManualClock::at(1_000), Arc::new(Gate::new(8)));
        gate.close_for(Duration::from_secs(10), &clock);
        gate.close_for(Duration::from_secs(3), &clock);
        let waiter = {
            let (clock, gate) = (clock.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.pass(1, Duration::from_secs(60), &clock, &SeededEntropy::new(1)).await.map(drop)
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
        let (clock, gate) = (ManualClock::at(1_000), Gate::new(8));
        gate.close_for(Duration::from_secs(300), &clock);
        let told = gate.pass(1, Duration::from_secs(120), &clock, &SeededEntropy::new(1)).await.map(drop);
        assert_eq!(told, Err(StaysClosed { wait: Duration::from_secs(300) }));
        assert!(clock.slept().is_empty());
    }

    // RL-2
    #[tokio::test]
    async fn places_go_to_those_who_came_first_and_a_dropped_wait_costs_nobody_one() {
        let (clock, entropy) = (ManualClock::at(1_000), SeededEntropy::new(1));
        let gate = Gate::new(2);
        let pass = || Box::pin(gate.pass(1, Duration::from_secs(60), &clock, &entropy));
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
}
