//! What the processes of one application tell each other.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use unattended_core::Clock;

use super::access::Access;

/// Where processes of one application leave a note until when an API has asked to be left alone, for the others to
/// heed: each of them would be charged for the same quota.
///
/// Both methods are called on the way to a request, so neither may wait for anything but the local file system. They
/// have no errors: without the note a process learns the same from the API itself.
pub trait GateLedger: fmt::Debug + Send + Sync + 'static {
    /// Until when, if there is a note about `quota`.
    fn closed_until(&self, quota: &str) -> Option<SystemTime>;

    /// Leaves a note, unless there is one of a later time.
    fn close(&self, quota: &str, until: SystemTime);
}

/// How often notes of others are looked for, at most.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The notes about one gate.
#[derive(Debug)]
pub(crate) struct Notes {
    ledger: Arc<dyn GateLedger>,
    reads: String,
    writes: String,
}

impl Notes {
    pub(crate) fn new(ledger: Arc<dyn GateLedger>, gate: &str) -> Self {
        Self { ledger, reads: format!("{gate} read"), writes: format!("{gate} write") }
    }

    /// For how long others say that reads and writes are not welcome.
    pub(super) fn read(&self, clock: &dyn Clock) -> [Duration; 2] {
        let now = clock.now();
        [&self.reads, &self.writes].map(|name| {
            let until = self.ledger.closed_until(name);
            until.and_then(|until| until.duration_since(now).ok()).unwrap_or_default()
        })
    }

    pub(super) fn leave(&self, wait: Duration, access: Access, clock: &dyn Clock) {
        let Some(until) = clock.now().checked_add(wait) else { return };
        if access != Access::Write {
            self.ledger.close(&self.reads, until);
        }
        if access != Access::Read {
            self.ledger.close(&self.writes, until);
        }
    }
}
