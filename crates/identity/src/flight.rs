//! Any number of callers, one request.
//!
//! Why a task of its own, and not a lock around the request? The first caller may go away: a timeout fires, a
//! connection closes, a future is dropped. If that caller owned the request, everybody who waits would start over, or
//! fail with a cancellation that is not theirs. Here the request runs in a task that nobody owns; callers only watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::SetOnce;

use crate::error::{Error, ErrorKind};
use crate::refresh::pause_after;
use crate::token::AccessToken;

pub(crate) type Outcome = Result<AccessToken, Error>;

/// The request that is under way for one key, and what the last failure teaches about the next. Nothing is allocated
/// for a key that is at rest.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<Option<Box<State>>>);

#[derive(Debug, Default)]
struct State {
    flight: Option<Flight>,
    failures: u32,
    /// Monotonic; before this nothing is renewed in the background.
    paused_until: Duration,
    throttled: Option<Patience>,
}

/// The server asked for patience until this monotonic time: everybody gets the error, nobody asks. It asked the one
/// who had that credential; with another one it is worth another try.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Duration,
    pub(crate) credential_epoch: u64,
    pub(crate) error: Error,
}

/// A request under way.
#[derive(Clone, Debug)]
struct Flight {
    claims: Option<Arc<str>>,
    landed: Arc<Ending>,
}

/// How a flight ended; without an outcome if it did not land.
type Ending = SetOnce<Option<Outcome>>;

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
pub(crate) struct Landed(Arc<Ending>);

/// The right to run the request of a key; dropped without landing, the flight counts as never started.
pub(crate) struct Pilot(Arc<Ending>);

impl Flights {
    /// Joins the flight under way or starts one, unless `served` finds what is needed after all: the flight that a
    /// caller just missed may have landed in between.
    pub(crate) fn board<T>(
        &self,
        elapsed: Duration,
        credential_epoch: u64,
        claims: Option<&Arc<str>>,
        served: impl FnOnce() -> Option<T>,
    ) -> Boarding<T> {
        let mut state = self.state();
        if let Some(found) = served() {
            return Boarding::Served(found);
        }
        let state = state.get_or_insert_default();
        if let Some(patience) = &state.throttled {
            if patience.holds(elapsed, credential_epoch) {
                return Boarding::Refused(patience.error.clone());
            }
            state.throttled = None;
        }
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.is_aloft()) {
            let exact = flight.claims.as_ref() == claims;
            return Boarding::Watch { landed: Landed(Arc::clone(&flight.landed)), exact };
        }
        let landed = Arc::new(Ending::new());
        state.flight = Some(Flight { claims: claims.cloned(), landed: Arc::clone(&landed) });
        Boarding::Start { pilot: Pilot(Arc::clone(&landed)), landed: Landed(landed) }
    }

    /// Starts a flight for the background if none is under way and the last failure is long enough ago.
    pub(crate) fn start_renewal(&self, elapsed: Duration, credential_epoch: u64) -> Option<Pilot> {
        let mut state = self.state();
        let state = state.get_or_insert_default();
        let throttled =
            state.throttled.as_ref().is_some_and(|patience| patience.holds(elapsed, credential_epoch));
        let aloft = state.flight.as_ref().is_some_and(Flight::is_aloft);
        if throttled || aloft || elapsed < state.paused_until {
            return None;
        }
        let landed = Arc::new(Ending::new());
        state.flight = Some(Flight { claims: None, landed: Arc::clone(&landed) });
        Some(Pilot(landed))
    }

    /// Ends a flight: `keep` publishes a token before anyone is told or can start another flight, and all who watch get
    /// the outcome.
    pub(crate) fn land(
        &self,
        pilot: Pilot,
        outcome: Outcome,
        elapsed: Duration,
        throttled: Option<Patience>,
        keep: impl FnOnce(&AccessToken),
    ) {
        let mut guard = self.state();
        match &outcome {
            Ok(token) => {
                keep(token);
                *guard = None;
            }
            Err(_) => {
                let state = guard.get_or_insert_default();
                state.failures = state.failures.saturating_add(1);
                state.paused_until = elapsed + pause_after(state.failures);
                state.throttled = throttled;
                state.flight = None;
            }
        }
        drop(guard);
        pilot.tell(Some(outcome));
    }

    /// Whether there is anything to remember: a flight, or that the server still wants patience.
    pub(crate) fn remember(&self, elapsed: Duration) -> bool {
        let is_aloft = |state: &State| state.flight.as_ref().is_some_and(Flight::is_aloft);
        let waits = |state: &State| state.throttled.as_ref().is_some_and(|patience| elapsed < patience.until);
        self.state().as_ref().is_some_and(|state| is_aloft(state) || waits(state))
    }

    fn state(&self) -> MutexGuard<'_, Option<Box<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Patience {
    fn holds(&self, elapsed: Duration, credential_epoch: u64) -> bool {
        elapsed < self.until && credential_epoch == self.credential_epoch
    }
}

impl Flight {
    /// Whether the request still runs. Its task may be gone without having landed: with the runtime that it ran on.
    fn is_aloft(&self) -> bool {
        !self.landed.initialized()
    }
}

impl Landed {
    /// The outcome; `None` if the request ended without one and has to be made again.
    pub(crate) async fn outcome(self) -> Option<Outcome> {
        self.0.wait().await.clone()
    }
}

impl Pilot {
    /// Only what is told first counts.
    fn tell(&self, ending: Option<Outcome>) {
        _ = self.0.set(ending);
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// A flight ends so when what it calls panics, or when its runtime is shut down.
pub(crate) fn no_outcome() -> Error {
    let what =
        "the token request ended without an outcome: a credential, a token store or the network panicked";
    Error::new(ErrorKind::Transient, what)
}
