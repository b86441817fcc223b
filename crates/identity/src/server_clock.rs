//! What the server takes the time to be.
//!
//! # Why not always?
//!
//! An assertion says from when to when it is valid, and a machine whose clock is off says it wrongly. The server's answers
//! carry its time, so one could always go by that. But the header is put there by whatever stands in front of the server,
//! too, and a clock that the server accepts needs no correction. So it is looked at in refusals alone, and only a
//! difference that could be their reason counts.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use unattended_core::server_time;

/// Up to here two clocks agree. The header has whole seconds, and the answer was under way.
const AGREEMENT: i64 = 30;

/// How long before the server's time an assertion begins to be valid, once that is gone by.
const LEEWAY: Duration = Duration::from_secs(60);

/// How far the server's clock is ahead of the machine's, in seconds; zero while they are taken to agree.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(AtomicI64);

impl ServerClock {
    /// The time to sign by, and how long before it what is signed begins to be valid.
    pub(crate) fn read(&self, now: SystemTime) -> (SystemTime, Duration) {
        let ahead = self.ahead();
        let offset = Duration::from_secs(ahead.unsigned_abs());
        let theirs = if ahead < 0 { now.checked_sub(offset) } else { now.checked_add(offset) };
        (theirs.unwrap_or(now), if ahead == 0 { Duration::ZERO } else { LEEWAY })
    }

    /// Looks at the headers of a refusal that arrived at `now`.
    pub(crate) fn heed(&self, headers: &HeaderMap, now: SystemTime) {
        let Some(theirs) = server_time(headers) else { return };
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let ahead = match theirs.duration_since(now) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        let ahead = if ahead.abs() <= AGREEMENT { 0 } else { ahead };
        if ahead.abs_diff(self.ahead()) > AGREEMENT.unsigned_abs() {
            self.0.store(ahead, Relaxed);
        }
    }

    pub(crate) fn ahead(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_difference_of_more_than_half_a_minute_is_gone_by_until_the_clocks_agree_again() {
        let clock = ServerClock::default();
        let noon = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let heed = |date: &str| {
            clock.heed(&[(http::header::DATE, date.parse().unwrap())].into_iter().collect(), noon);
            clock.ahead()
        };
        assert_eq!(heed("Sun, 06 Nov 1994 08:50:07 GMT"), 0, "half a minute is none");
        assert_eq!(clock.read(noon), (noon, Duration::ZERO));
        assert_eq!(heed("Sun, 06 Nov 1994 08:39:37 GMT"), -600);
        assert_eq!(
            heed("Sun, 06 Nov 1994 08:39:40 GMT"),
            -600,
            "not changed by the time that an answer takes"
        );
        assert_eq!(heed("soon"), -600);
        assert_eq!(clock.read(noon), (noon - Duration::from_secs(600), LEEWAY));
        assert_eq!(clock.read(UNIX_EPOCH).0, UNIX_EPOCH - Duration::from_secs(600));
        assert_eq!(heed("Sun, 06 Nov 1994 08:49:30 GMT"), 0);
        assert!(heed("Fri, 31 Dec 9999 23:59:59 GMT") > 200_000_000_000);
    }
}
