//! The time in the sandbox: that of the machine and an offset.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use unattended_core::Clock;

use super::Settings;

/// Shows the time of another clock moved by the setting `clock-offset`. Waits are those of the other clock: a journey
/// through time shortens none.
#[derive(Debug)]
pub(crate) struct SandboxClock {
    inner: Arc<dyn Clock>,
    settings: Arc<ArcSwap<Settings>>,
}

impl SandboxClock {
    pub(super) fn new(inner: Arc<dyn Clock>, settings: Arc<ArcSwap<Settings>>) -> Self {
        Self { inner, settings }
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> SystemTime {
        let (now, offset) = (self.inner.now(), self.settings.load().clock_offset);
        let length = Duration::from_secs(offset.unsigned_abs());
        let moved = if offset < 0 { now.checked_sub(length) } else { now.checked_add(length) };
        moved.unwrap_or(now)
    }

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }
}
