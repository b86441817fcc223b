//! A second copy of a read that is late, where that was asked for.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::body::Answer;
use crate::error::Error;

/// How many of the latest reads say what is late, and how few say nothing yet.
const WINDOW: usize = 100;
const FEWEST: usize = 20;
/// An API whose slowest reads take less than this gains nothing from a copy.
const SLOW: Duration = Duration::from_secs(1);
/// For so many requests there is one copy.
const REQUESTS_PER_COPY: u32 = 50;
/// From such a share of the quota on, nothing is asked for twice.
pub(crate) const SPARE_QUOTA: f64 = 0.5;

/// How long reads take at an origin, and how many copies it can still be burdened with: one for every fifty requests,
/// and none beforehand.
#[derive(Debug, Default)]
pub(crate) struct Hedges(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latencies: VecDeque<Duration>,
    requests: u32,
}

impl Hedges {
    /// Notes a request.
    pub(crate) fn deposit(&self) {
        const MOST: u32 = 10 * REQUESTS_PER_COPY;
        let mut state = self.state();
        state.requests = (state.requests + 1).min(MOST);
    }

    /// Takes one copy, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        let mut state = self.state();
        let left = state.requests.checked_sub(REQUESTS_PER_COPY);
        state.requests = left.unwrap_or(state.requests);
        left.is_some()
    }

    /// Notes how long a read took.
    pub(crate) fn record(&self, latency: Duration) {
        let mut state = self.state();
        if state.latencies.len() == WINDOW {
            state.latencies.pop_front();
        }
        state.latencies.push_back(latency);
    }

    /// After how long a read is later than nineteen of twenty, if that is long.
    pub(crate) fn late_after(&self) -> Option<Duration> {
        let mut latencies: Vec<Duration> = self.state().latencies.iter().copied().collect();
        if latencies.len() < FEWEST {
            return None;
        }
        let at = (latencies.len() * 95).div_ceil(100) - 1;
        let (_, late, _) = latencies.select_nth_unstable(at);
        (*late >= SLOW).then_some(*late)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a request, or to its copy, which is sent once the request is `late` and only if there may be one. A copy
/// that does not succeed changes nothing.
pub(crate) async fn hedged<C>(
    first: impl Future<Output = Result<Answer, Error>>,
    late: impl Future<Output = ()> + Unpin,
    copy: impl FnOnce() -> Option<C>,
) -> Result<Answer, Error>
where
    C: Future<Output = Result<Answer, Error>>,
{
    let mut first = pin!(first);
    if let Either::Left((answer, _)) = select(first.as_mut(), late).await {
        return answer;
    }
    let Some(copy) = copy() else { return first.await };
    match select(first, pin!(copy)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Ok(answer), _)) if answer.status.is_success() => Ok(answer),
        Either::Right((_, first)) => first.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    // HG-1
    #[test]
    fn late_is_what_takes_longer_than_nineteen_of_twenty_and_than_a_second() {
        let hedges = Hedges::default();
        (0..19).for_each(|_| hedges.record(millis(2_000)));
        assert_eq!(hedges.late_after(), None, "nineteen say nothing yet");
        hedges.record(millis(3_000));
        assert_eq!(hedges.late_after(), Some(millis(2_000)));
        (0..95).for_each(|_| hedges.record(millis(200)));
        assert_eq!(hedges.late_after(), None, "the five slow ones are rare");
        hedges.record(millis(1_000));
        (0..5).for_each(|_| hedges.record(millis(1_000)));
        assert_eq!(hedges.late_after(), Some(millis(1_000)));
    }

    // HG-1
    #[test]
    fn copies_are_a_fiftieth_of_the_requests_and_none_comes_beforehand() {
        let hedges = Hedges::default();
        assert!(!hedges.withdraw());
        let copies = (0..1_000).filter(|_| {
            hedges.deposit();
            hedges.withdraw()
        });
        assert_eq!(copies.count(), 20);
        (0..10_000).for_each(|_| hedges.deposit());
        assert_eq!((0..100).filter(|_| hedges.withdraw()).count(), 10);
    }
}
