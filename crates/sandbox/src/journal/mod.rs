//! Every request that the sandbox answered, in a ring in memory.
//!
//! The journal says who asked for what and how it ended, so that a test can say afterwards that a client behaved
//! ([`Rule`]). It holds neither tokens nor secrets.

mod batch;
mod entry;
mod rules;
mod summary;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONNECTION, RETRY_AFTER};
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::sync::watch;
use unattended_core::{Clock, retry_after};

pub(crate) use self::entry::{Entry, FOREIGN_PATH};
pub(crate) use self::rules::Rule;
use self::summary::Summary;
use crate::directory;
use crate::faults::{Injected, Reset};
use crate::intake::{Intake, Taken, Untaken};

/// How many entries are kept: a long test run, within some 10 MiB.
const CAPACITY: usize = 25_000;

/// The longest body that is read here: what the directory reads, and a little.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024 + 1024;

/// What was asked and answered.
#[derive(Debug)]
pub(crate) struct Journal {
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    entries: Mutex<VecDeque<Entry<Summary>>>,
    /// The number of the last entry.
    last: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new(clock: Arc<dyn Clock>, intake: Arc<Intake>) -> Self {
        Self { clock, intake, entries: Mutex::default(), last: watch::Sender::new(0) }
    }

    /// The entries after a number, oldest first.
    pub(crate) fn after(&self, number: u64) -> Vec<Arc<Entry>> {
        let entries = self.entries();
        let first = entries.partition_point(|entry| entry.number <= number);
        entries.range(first..).map(|entry| Arc::new(entry.unfolded())).collect()
    }

    /// Tells of new entries.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Forgets every entry; numbers go on.
    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    /// Writes an entry down and returns its number.
    fn add(&self, mut entry: Entry<Summary>) -> u64 {
        // Numbered under the lock, so that the ring is in order.
        let mut entries = self.entries();
        let number = *self.last.borrow() + 1;
        entry.number = number;
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(entry);
        self.last.send_replace(number);
        number
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry<Summary>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a request and its answer down, and lets both pass unchanged.
pub(crate) async fn record(State(journal): State<Arc<Journal>>, request: Request, next: Next) -> Response {
    let (now, arrived) = (journal.clock.now(), journal.clock.elapsed());
    let (parts, body) = request.into_parts();
    // A slice is read by its session, if one waits for it.
    let (taken, passed) = match directory::is_slice(parts.uri.path()) {
        true => (None, Ok(body)),
        false => taken(journal.intake.take(body, MAX_BODY_BYTES).await),
    };
    let asked = taken.as_ref().map(|taken| taken.bytes.clone()).unwrap_or_default();
    let summary = Summary::of(&parts, &asked);
    let batch = is_batch(&parts).then(|| (parts.clone(), asked));
    let response = match passed {
        Ok(body) => next.run(Request::from_parts(parts, body)).await,
        Err(instead) => instead,
    };
    drop(taken);
    let took = journal.clock.elapsed().saturating_sub(arrived);
    let is_reset = response.extensions().get::<Reset>().is_some();
    let fault = response.extensions().get::<Injected>().map(|it| it.0);
    let entry = |batch, request, status, wait: Option<Duration>, fault| Entry {
        number: 0,
        batch,
        time_ms: jiff::Timestamp::try_from(now).map_or(i64::MAX, jiff::Timestamp::as_millisecond),
        arrived_ms: milliseconds(arrived),
        duration_ms: milliseconds(took),
        request,
        status,
        retry_after_ms: wait.map(milliseconds),
        fault,
    };
    let status = (!is_reset).then(|| response.status().as_u16());
    let wait = retry_after(response.headers(), journal.clock.now());
    let number = journal.add(entry(None, summary, status, wait, fault));
    // A body that is spoiled on purpose is left to the client as it comes.
    let is_whole = !is_reset && fault.is_none_or(|fault| fault.starts_with("inner-"));
    match batch.filter(|_| is_whole && response.status().is_success()) {
        Some((parts, asked)) => {
            let (head, answered) = response.into_parts();
            let (inner, body) = batch::inner(&parts, &asked, answered).await;
            for inner in inner {
                let wait = inner.retry_after(journal.clock.now());
                journal.add(entry(Some(number), inner.request, inner.status, wait, None));
            }
            Response::from_parts(head, body)
        }
        None => response,
    }
}

/// A body, and what is passed on of it, or the answer instead.
fn taken(body: Result<Taken, Untaken>) -> (Option<Taken>, Result<Body, Response>) {
    let instead = match body {
        Ok(taken) => {
            let body = Body::from(taken.bytes.clone());
            return (Some(taken), Ok(body));
        }
        Err(Untaken::Late) => Err((StatusCode::REQUEST_TIMEOUT, [(CONNECTION, "close")]).into_response()),
        Err(Untaken::NoRoom) => Err((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response()),
        // Whoever reads it meets the same.
        Err(Untaken::Broken | Untaken::TooLong) => {
            let broken = io::Error::other("the body broke off or is too long");
            Ok(Body::from_stream(futures_util::stream::once(async { Err::<Bytes, _>(broken) })))
        }
    };
    (None, instead)
}

/// Whether a request holds other requests.
fn is_batch(parts: &Parts) -> bool {
    parts.method == Method::POST && directory::is_batch(parts.uri.path())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use unattended_core::ManualClock;

    use super::*;

    #[test]
    fn the_ring_keeps_the_last_entries_in_order() {
        let clock = Arc::new(ManualClock::at(0));
        let journal = Journal::new(clock.clone(), Arc::new(Intake::new(clock)));
        for _ in 0..CAPACITY + 10 {
            journal.add(Entry::default());
        }
        let numbers: Vec<u64> = journal.after(0).iter().map(|entry| entry.number).collect();
        assert_eq!((numbers.len(), numbers[0]), (CAPACITY, 11));
        assert!(numbers.is_sorted());
        assert_eq!(journal.after(CAPACITY as u64 + 9).len(), 1);
        journal.clear();
        assert!(journal.after(0).is_empty());
        journal.add(Entry::default());
        assert_eq!(journal.after(0)[0].number, CAPACITY as u64 + 11);
    }
}
