//! Time as a port.

use std::fmt;
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;

/// Where the time comes from.
///
/// Wall time ([`now`](Self::now)) is for what other machines agree on: expiry of tokens and certificates, schedules,
/// records. Monotonic time ([`elapsed`](Self::elapsed)) is for how long something took or may still take; it never
/// goes back when an administrator corrects the clock.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Wall time.
    fn now(&self) -> SystemTime;

    /// Monotonic time since an arbitrary origin of this clock.
    fn elapsed(&self) -> Duration;

    /// Both times at once, to the precision that telling whether a token lives takes: some milliseconds behind at most.
    /// An implementation may be cheaper here than [`now`](Self::now) and [`elapsed`](Self::elapsed) are together.
    fn glance(&self) -> Moment {
        let unix = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Moment { unix, elapsed: self.elapsed() }
    }

    /// [`elapsed`](Self::elapsed) to the same precision, for what is looked at many times in a call.
    fn elapsed_coarse(&self) -> Duration {
        self.elapsed()
    }

    /// Completes once `duration` has passed on this clock. Dropping the future cancels the wait.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Wall and monotonic time of the same moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Wall time since 1970, UTC, as Unix counts it.
    pub unix: Duration,
    /// Monotonic time since the origin of the clock.
    pub elapsed: Duration,
}

impl Moment {
    /// Wall time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.unix
    }
}

/// The clock of the machine. [`sleep`](Clock::sleep) needs a running tokio runtime with its time driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one implementation of the port")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        machine::elapsed()
    }

    fn glance(&self) -> Moment {
        machine::glance()
    }

    fn elapsed_coarse(&self) -> Duration {
        machine::elapsed_coarse()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one implementation of the port")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Linux keeps both times of its last tick where a program reads them for a fifth of what the exact ones cost. A tick is
/// a few milliseconds long.
#[cfg(target_os = "linux")]
mod machine {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::Moment;

    fn read(clock: ClockId) -> Duration {
        let time = clock_gettime(clock);
        // Neither is negative this side of 1970, and nanoseconds are below a billion.
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    pub(super) fn elapsed() -> Duration {
        read(ClockId::Monotonic)
    }

    pub(super) fn elapsed_coarse() -> Duration {
        read(ClockId::MonotonicCoarse)
    }

    pub(super) fn glance() -> Moment {
        Moment { unix: read(ClockId::RealtimeCoarse), elapsed: elapsed_coarse() }
    }
}

#[cfg(not(target_os = "linux"))]
mod machine {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant, SystemTime};

    use super::{Clock as _, Moment, SystemClock};

    #[expect(clippy::disallowed_methods, reason = "this is the one implementation of the port")]
    pub(super) fn elapsed() -> Duration {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        ORIGIN.get_or_init(Instant::now).elapsed()
    }

    pub(super) fn elapsed_coarse() -> Duration {
        elapsed()
    }

    pub(super) fn glance() -> Moment {
        let unix = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Moment { unix, elapsed: elapsed() }
    }
}

#[cfg(feature = "test-util")]
pub use manual::ManualClock;

#[cfg(feature = "test-util")]
mod manual {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::task::{Poll, Waker};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use futures_core::future::BoxFuture;

    use super::Clock;

    /// A clock that stands still until a test moves it; clones show the same time.
    #[derive(Clone, Debug)]
    pub struct ManualClock {
        hands: Arc<Mutex<Hands>>,
        self_advancing: bool,
    }

    #[derive(Debug)]
    struct Hands {
        wall: SystemTime,
        elapsed: Duration,
        slept: Vec<Duration>,
        sleepers: Vec<(Duration, Waker)>,
    }

    impl ManualClock {
        /// A clock that shows `unix_seconds` until [`advance`](Self::advance) is called.
        #[must_use]
        pub fn at(unix_seconds: u64) -> Self {
            let hands = Hands {
                wall: UNIX_EPOCH + Duration::from_secs(unix_seconds),
                elapsed: Duration::ZERO,
                slept: Vec::new(),
                sleepers: Vec::new(),
            };
            Self { hands: Arc::new(Mutex::new(hands)), self_advancing: false }
        }

        /// Like [`at`](Self::at), but a sleep moves the clock itself and completes when it is first polled: for code
        /// whose waits are the subject and not the obstacle. A timeout beside work that is ready is never polled, and
        /// so moves nothing.
        #[must_use]
        pub fn self_advancing_at(unix_seconds: u64) -> Self {
            Self { self_advancing: true, ..Self::at(unix_seconds) }
        }

        /// Moves both hands forward and wakes every sleeper whose time has come.
        pub fn advance(&self, duration: Duration) {
            let due: Vec<Waker> = {
                let mut hands = self.hands();
                hands.wall += duration;
                hands.elapsed += duration;
                let now = hands.elapsed;
                let (due, still) =
                    std::mem::take(&mut hands.sleepers).into_iter().partition(|(at, _)| *at <= now);
                hands.sleepers = still;
                due.into_iter().map(|(_, waker): (Duration, Waker)| waker).collect()
            };
            due.into_iter().for_each(Waker::wake);
        }

        /// Sets wall time alone, as an administrator or NTP would.
        pub fn set_wall(&self, now: SystemTime) {
            self.hands().wall = now;
        }

        /// How many tasks wait on this clock.
        #[must_use]
        pub fn sleepers(&self) -> usize {
            self.hands().sleepers.len()
        }

        /// Every duration that a polled [`sleep`](Clock::sleep) was asked for, in order.
        #[must_use]
        pub fn slept(&self) -> Vec<Duration> {
            self.hands().slept.clone()
        }

        fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
            self.hands.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> SystemTime {
            self.hands().wall
        }

        fn elapsed(&self) -> Duration {
            self.hands().elapsed
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            let clock = self.clone();
            let mut until = None;
            Box::pin(poll_fn(move |context| {
                let until = *until.get_or_insert_with(|| {
                    clock.hands().slept.push(duration);
                    let until = clock.elapsed() + duration;
                    if clock.self_advancing {
                        clock.advance(duration);
                    }
                    until
                });
                let mut hands = clock.hands();
                if hands.elapsed >= until {
                    return Poll::Ready(());
                }
                hands.sleepers.push((until, context.waker().clone()));
                Poll::Pending
            }))
        }
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;

    #[test]
    fn a_glance_is_a_tick_behind_at_most() {
        // No tick is as long; but the machine that hosts this one may let it stand still while a tick is due.
        let (clock, tick) = (SystemClock, Duration::from_secs(2));
        for _ in 0..1_000 {
            let before = (clock.now(), clock.elapsed());
            let moment = clock.glance();
            let (now, elapsed) = (moment.now(), [moment.elapsed, clock.elapsed_coarse()]);
            let after = (clock.now(), clock.elapsed());
            let fits = |elapsed: Duration| before.1 <= elapsed + tick && elapsed <= after.1;
            assert!(elapsed.into_iter().all(fits), "{before:?} {elapsed:?} {after:?}");
            assert!(before.0 <= now + tick && now <= after.0, "{before:?} {now:?} {after:?}");
        }
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = ManualClock::at(1_000);
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }
}
