//! What the calls of one API come to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::retry::RetryReason;

/// Totals of all clients that [share](crate::Traffic) an origin, since the first of them was made. They are read one by
/// one, so that those of calls under way may not fit together to the last.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Operations that ended in success.
    pub succeeded: u64,
    /// Operations that did not.
    pub failed: u64,
    /// How long operations took, from the call to its end: how many up to each of
    /// [`DURATION_BOUNDS`](Self::DURATION_BOUNDS), and last those that took longer.
    pub durations: [u64; 15],
    /// All of that time.
    pub duration: Duration,
    /// Attempts that were repeated, by reason.
    pub retries: Retries,
    /// Tokens that an API refused and that were replaced.
    pub replaced_tokens: u64,
    /// How long gates were closed, or are going to be, because an API asked for fewer requests.
    pub gate_closed: Duration,
    /// The share of a quota that the API has said last is used, where it was largest: 1.0 is all of it.
    pub throttle_share: f64,
    /// Pages of collections.
    pub pages: u64,
    /// Items on them.
    pub items: u64,
    /// Bytes of successful answers, after decompression.
    pub bytes: u64,
}

/// Why attempts were repeated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Retries {
    /// The API asked for fewer requests, or for a later one.
    pub throttled: u64,
    /// The API failed.
    pub server: u64,
    /// The connection failed.
    pub connection: u64,
    /// No token could be had.
    pub token: u64,
}

impl Metrics {
    /// The bounds of [`durations`](Self::durations), in seconds: those that OpenTelemetry advises for
    /// `http.client.request.duration`.
    pub const DURATION_BOUNDS: [f64; 14] =
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { succeeded, failed, retries, pages, items, bytes, .. } = self;
        write!(f, "calls {}, seconds {:.3}", succeeded + failed, self.duration.as_secs_f64())?;
        for (what, number) in [
            ("failed", *failed),
            ("pages", *pages),
            ("items", *items),
            ("bytes", *bytes),
            ("repeated because throttled", retries.throttled),
            ("repeated because the API failed", retries.server),
            ("repeated because the connection failed", retries.connection),
            ("repeated for want of a token", retries.token),
            ("tokens replaced", self.replaced_tokens),
            ("seconds with the gate closed", self.gate_closed.as_secs()),
        ] {
            if number > 0 {
                write!(f, ", {what} {number}")?;
            }
        }
        Ok(())
    }
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    succeeded: AtomicU64,
    failed: AtomicU64,
    durations: [AtomicU64; 15],
    microseconds: AtomicU64,
    throttled: AtomicU64,
    server: AtomicU64,
    connection: AtomicU64,
    token: AtomicU64,
    replaced_tokens: AtomicU64,
    pages: AtomicU64,
    items: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn ended(&self, duration: Duration, bytes: Option<usize>) {
        if let Some(bytes) = bytes {
            add(&self.succeeded, 1);
            add(&self.bytes, bytes as u64);
        } else {
            add(&self.failed, 1);
        }
        let seconds = duration.as_secs_f64();
        add(&self.durations[Metrics::DURATION_BOUNDS.partition_point(|bound| *bound < seconds)], 1);
        add(&self.microseconds, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn repeated(&self, reason: RetryReason) {
        let counter = match reason {
            RetryReason::Throttled => &self.throttled,
            RetryReason::Server => &self.server,
            RetryReason::Connection => &self.connection,
            RetryReason::Token => &self.token,
        };
        add(counter, 1);
    }

    pub(crate) fn token_replaced(&self) {
        add(&self.replaced_tokens, 1);
    }

    pub(crate) fn page(&self, items: usize) {
        add(&self.pages, 1);
        add(&self.items, items as u64);
    }

    /// With what the gates know.
    pub(crate) fn read(&self, gate_closed: Duration, throttle_share: f64) -> Metrics {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Metrics {
            succeeded: read(&self.succeeded),
            failed: read(&self.failed),
            durations: self.durations.each_ref().map(read),
            duration: Duration::from_micros(read(&self.microseconds)),
            retries: Retries {
                throttled: read(&self.throttled),
                server: read(&self.server),
                connection: read(&self.connection),
                token: read(&self.token),
            },
            replaced_tokens: read(&self.replaced_tokens),
            gate_closed,
            throttle_share,
            pages: read(&self.pages),
            items: read(&self.items),
            bytes: read(&self.bytes),
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Relaxed);
}
