//! A circuit breaker: an API that fails at every second request is left alone for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many of the latest outcomes count, how few say nothing yet, and for how long each of them counts.
const WINDOW: usize = 20;
const FEWEST: usize = 10;
const MEMORY: Duration = Duration::from_secs(30);
/// How long the circuit stays open unless the API named a longer time.
const REST: Duration = Duration::from_secs(15);

/// Open once half of the latest outcomes were faults of the server or the connection; then one request at a time is
/// let through as a probe, until one succeeds. Times are those of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When each came, and whether it was a fault.
    outcomes: VecDeque<(Duration, bool)>,
    /// When the next probe may go, while the circuit is open.
    next_probe: Option<Duration>,
}

/// The right to send one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Admission {
    /// The circuit is closed.
    Regular,
    /// The circuit is open, and this request finds out whether it may close.
    Probe,
}

/// The circuit is open for this long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Open {
    pub(crate) wait: Duration,
}

impl Breaker {
    /// Whether a request may go at `now`.
    pub(crate) fn admit(&self, now: Duration) -> Result<Admission, Open> {
        let mut state = self.state();
        match state.next_probe {
            None => Ok(Admission::Regular),
            Some(at) if now < at => Err(Open { wait: at - now }),
            Some(_) => {
                // A probe whose caller goes away is never reported; the next one does not wait for it.
                state.next_probe = Some(now.saturating_add(REST));
                Ok(Admission::Probe)
            }
        }
    }

    /// Notes how an admitted request ended; `retry_after` is what the API asked for.
    pub(crate) fn record(
        &self,
        admission: Admission,
        fault: bool,
        retry_after: Option<Duration>,
        now: Duration,
    ) {
        let mut state = self.state();
        let rest = now.saturating_add(REST.max(retry_after.unwrap_or_default()));
        match (state.next_probe, admission) {
            (Some(_), Admission::Probe) if fault => state.next_probe = Some(rest),
            (Some(_), Admission::Probe) => *state = State::default(),
            // What was under way when the circuit opened says nothing about the time since.
            (Some(_), Admission::Regular) => {}
            (None, _) => {
                // In the order in which they came.
                while state.outcomes.len() == WINDOW
                    || state.outcomes.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= MEMORY)
                {
                    state.outcomes.pop_front();
                }
                state.outcomes.push_back((now, fault));
                let faults = || state.outcomes.iter().filter(|(_, fault)| *fault).count();
                if fault && state.outcomes.len() >= FEWEST && faults() * 2 >= state.outcomes.len() {
                    *state = State { outcomes: VecDeque::new(), next_probe: Some(rest) };
                }
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn fail(breaker: &Breaker, count: usize, now: Duration) {
        (0..count).for_each(|_| breaker.record(Admission::Regular, true, None, now));
    }

    // CB-1
    #[test]
    fn ten_faults_in_half_a_minute_open_it_and_nine_do_not() {
        let breaker = Breaker::default();
        fail(&breaker, 9, seconds(0));
        assert_eq!(breaker.admit(seconds(1)), Ok(Admission::Regular));
        fail(&breaker, 1, seconds(31));
        assert_eq!(breaker.admit(seconds(31)), Ok(Admission::Regular));
        fail(&breaker, 9, seconds(32));
        assert_eq!(breaker.admit(seconds(33)), Err(Open { wait: seconds(14) }));
    }

    // CB-1
    #[test]
    fn fewer_than_half_do_not_open_it_and_only_the_last_twenty_count() {
        let breaker = Breaker::default();
        for index in 0..1_000 {
            breaker.record(Admission::Regular, index % 5 > 2, None, seconds(1));
        }
        assert_eq!(breaker.admit(seconds(1)), Ok(Admission::Regular));
        fail(&breaker, 9, seconds(1));
        assert!(breaker.admit(seconds(1)).is_err(), "no success before the last twenty counts");
    }

    // CB-1
    #[test]
    fn one_probe_at_a_time_decides() {
        let breaker = Breaker::default();
        fail(&breaker, 10, seconds(0));
        assert_eq!(breaker.admit(seconds(15)), Ok(Admission::Probe));
        assert_eq!(breaker.admit(seconds(15)), Err(Open { wait: seconds(15) }));
        breaker.record(Admission::Regular, false, None, seconds(16));
        assert!(breaker.admit(seconds(16)).is_err());
        breaker.record(Admission::Probe, true, Some(seconds(40)), seconds(17));
        assert_eq!(breaker.admit(seconds(18)), Err(Open { wait: seconds(39) }));
        // Nobody reports the end of this one; the next goes nevertheless.
        assert_eq!(breaker.admit(seconds(57)), Ok(Admission::Probe));
        assert_eq!(breaker.admit(seconds(72)), Ok(Admission::Probe));
        breaker.record(Admission::Probe, false, None, seconds(73));
        assert_eq!(breaker.admit(seconds(73)), Ok(Admission::Regular));
        fail(&breaker, 9, seconds(73));
        assert_eq!(breaker.admit(seconds(73)), Ok(Admission::Regular));
    }
}
