//! One gate for everybody who calls the same API as the same application.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use unattended_core::{Clock, Entropy};

/// Closed while the API has asked to be left alone: one caller's `429` holds back all of them, because each request
/// that comes too early is charged against the same quota.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// On the monotonic clock.
    closed_until: Mutex<Duration>,
}

/// The gate stays closed for longer than the caller can wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StaysClosed {
    pub(crate) wait: Duration,
}

impl Gate {
    /// Nobody passes for `wait` from now. A shorter wait than an earlier one changes nothing.
    pub(crate) fn close_for(&self, wait: Duration, clock: &dyn Clock) {
        let until = clock.elapsed().saturating_add(wait);
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        *closed_until = until.max(*closed_until);
    }

    /// Waits until the gate is open, if that is within `patience`; otherwise says at once how long it would be.
    ///
    /// Those who waited pass spread over 250 ms: all at the same instant would close it again.
    pub(crate) async fn pass(
        &self,
        patience: Duration,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<(), StaysClosed> {
        const SPREAD: Duration = Duration::from_millis(250);
        let started = clock.elapsed();
        loop {
            let now = clock.elapsed();
            let wait = self.closed_until().saturating_sub(now);
            if wait.is_zero() {
                return Ok(());
            }
            if wait > patience.saturating_sub(now.saturating_sub(started)) {
                return Err(StaysClosed { wait });
            }
            clock.sleep(wait + SPREAD.mul_f64(entropy.unit())).await;
        }
    }

    fn closed_until(&self) -> Duration {
        *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (clock, gate) = (ManualClock::at(1_000), Arc::new(Gate::default()));
        gate.close_for(Duration::from_secs(10), &clock);
        gate.close_for(Duration::from_secs(3), &clock);
        let waiter = {
            let (clock, gate) = (clock.clone(), Arc::clone(&gate));
            tokio::spawn(
                async move { gate.pass(Duration::from_secs(60), &clock, &SeededEntropy::new(1)).await },
            )
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
        let (clock, gate) = (ManualClock::at(1_000), Gate::default());
        gate.close_for(Duration::from_secs(300), &clock);
        let told = gate.pass(Duration::from_secs(120), &clock, &SeededEntropy::new(1)).await;
        assert_eq!(told, Err(StaysClosed { wait: Duration::from_secs(300) }));
        assert!(clock.slept().is_empty());
    }
}
