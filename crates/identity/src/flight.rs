//! Any number of callers, one request.
//!
//! Why a task of its own, and not a lock around the request? The first caller may go away: a timeout fires, a
//! connection closes, a future is dropped. If that caller owned the request, everybody who waits would start over, or
//! fail with a cancellation that is not theirs. Here the request runs in a task that nobody owns; callers only watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::refresh::pause_after;
use crate::token::Kept;

type Outcome = Result<Arc<Kept>, Error>;

/// The request that is under way for one key, and what the last failure teaches about the next.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    flight: Option<Flight>,
    failures: u32,
    /// Monotonic; before this nothing is renewed in the background.
    paused_until: Duration,
    /// The server asked for patience until this monotonic time: everybody gets the error, nobody asks.
    throttled: Option<(Duration, Error)>,
}

/// A request under way.
#[derive(Clone, Debug)]
struct Flight {
    claims: Option<String>,
    landed: watch::Receiver<Option<Outcome>>,
}

/// What a caller does next.
pub(crate) enum Boarding<T> {
    /// Nothing: here it is.
    Served(T),
    /// Wait for this one. `exact` is false when it was started for other claims: then look again after it landed.
    Watch { landed: Landed, exact: bool },
    /// Run this request and then [`Flights::land`] it.
    Start { pilot: Pilot, landed: Landed },
    /// Nobody may ask yet.
    Refused(Error),
}

/// The end of a flight, to be waited for.
pub(crate) struct Landed(watch::Receiver<Option<Outcome>>);

/// The right to run the request of a key; dropped without landing, the flight counts as never started.
pub(crate) struct Pilot(watch::Sender<Option<Outcome>>);

impl Flights {
    /// Joins the flight under way or starts one, unless `served` finds what is needed after all: the flight that a
    /// caller just missed may have landed in between.
    pub(crate) fn board<T>(
        &self,
        elapsed: Duration,
        claims: Option<&str>,
        served: impl FnOnce() -> Option<T>,
    ) -> Boarding<T> {
        let mut state = self.state();
        if let Some(found) = served() {
            return Boarding::Served(found);
        }
        if let Some((until, error)) = &state.throttled {
            if elapsed < *until {
                return Boarding::Refused(error.clone());
            }
            state.throttled = None;
        }
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.is_aloft()) {
            let exact = flight.claims.as_deref() == claims;
            return Boarding::Watch { landed: Landed(flight.landed.clone()), exact };
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(Flight { claims: claims.map(str::to_owned), landed: receiver.clone() });
        Boarding::Start { pilot: Pilot(sender), landed: Landed(receiver) }
    }

    /// Starts a flight for the background if none is under way and the last failure is long enough ago.
    pub(crate) fn start_renewal(&self, elapsed: Duration) -> Option<Pilot> {
        let mut state = self.state();
        let throttled = state.throttled.as_ref().is_some_and(|(until, _)| elapsed < *until);
        let aloft = state.flight.as_ref().is_some_and(Flight::is_aloft);
        if throttled || aloft || elapsed < state.paused_until {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(Flight { claims: None, landed: receiver });
        Some(Pilot(sender))
    }

    /// Ends a flight: `keep` publishes a token before anyone is told, and all who watch get the outcome. `retry_in` is
    /// how long the server wants to be left alone.
    pub(crate) fn land(
        &self,
        pilot: Pilot,
        outcome: Outcome,
        elapsed: Duration,
        retry_in: Option<Duration>,
        keep: impl FnOnce(&Arc<Kept>),
    ) {
        let mut state = self.state();
        match &outcome {
            Ok(kept) => {
                keep(kept);
                *state = State::default();
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                state.paused_until = elapsed + pause_after(state.failures);
                state.throttled = retry_in.map(|wait| (elapsed + wait, error.clone()));
                state.flight = None;
            }
        }
        drop(state);
        pilot.0.send_replace(Some(outcome));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Whether the request still runs. Its task may be gone without having landed: with the runtime that it ran on.
    fn is_aloft(&self) -> bool {
        self.landed.has_changed().is_ok()
    }
}

impl Landed {
    /// The outcome; `None` if the request ended without one and has to be made again.
    pub(crate) async fn outcome(mut self) -> Option<Outcome> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
    }
}
