//! How long things may take.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use unattended_core::{Clock, within};

/// The time limits of one attempt. Waiting at the gate or for a retry counts against the deadline of the operation
/// only ([`RetryPolicy`](crate::RetryPolicy)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Until the status and headers are here. 60 s.
    pub first_byte: Duration,
    /// Between two pieces of the body. 60 s.
    pub idle: Duration,
    /// Until the last byte of the body. 300 s.
    pub attempt: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            attempt: Duration::from_secs(300),
        }
    }
}

/// A point on the monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    at: Duration,
}

impl Deadline {
    pub(crate) fn after(clock: Arc<dyn Clock>, limit: Duration) -> Self {
        let at = clock.elapsed_coarse().saturating_add(limit);
        Self { clock, at }
    }

    /// This deadline or `limit` from now, whichever is sooner.
    pub(crate) fn narrowed(&self, limit: Duration) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            at: self.at.min(self.clock.elapsed_coarse().saturating_add(limit)),
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.at.saturating_sub(self.clock.elapsed_coarse())
    }

    /// The output of `future`, or nothing once the deadline has passed; the future is dropped then.
    pub(crate) async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        within(&*self.clock, self.remaining(), pin!(future)).await
    }
}
