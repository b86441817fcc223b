//! Times as people say them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How far `at` is from `now`: `7 h ago`, `in 3 days`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let distance = at.duration_since(now);
    let told = |span: &str| if distance.is_negative() { format!("{span} ago") } else { format!("in {span}") };
    let seconds = distance.abs().as_secs();
    match (seconds / 60, seconds / 3_600, seconds / 86_400) {
        (0, ..) if distance.is_negative() => "just now".to_owned(),
        (0, ..) => "in a moment".to_owned(),
        (minutes @ ..60, ..) => told(&format!("{minutes} min")),
        (_, hours @ ..48, _) => told(&format!("{hours} h")),
        (.., days) => told(&format!("{days} days")),
    }
}

/// A length of time: `90 ms`, `1.4 s`, `3 min 5 s`, `2 h 10 min`.
#[must_use]
pub fn length(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A moment on the calendar of `zone`: `2026-11-23 02:00 CET`.
#[must_use]
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// The time between two moments, in milliseconds; zero if they are in the wrong order.
#[must_use]
pub fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    let distance: SignedDuration = to.duration_since(from);
    u64::try_from(distance.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let now = Timestamp::from_second(1_795_392_000).unwrap();
        let said = |seconds: i64| relative(now + SignedDuration::from_secs(seconds), now);
        assert_eq!([said(-5), said(5), said(-600)], ["just now", "in a moment", "10 min ago"]);
        assert_eq!([said(3_600), said(-169_000), said(200_000)], ["in 1 h", "46 h ago", "in 2 days"]);
        assert_eq!([length(0), length(12_345), length(185_000)], ["0 ms", "12.3 s", "3 min 5 s"]);
        assert_eq!(length(7_800_000), "2 h 10 min");
        assert_eq!(moment(now, &TimeZone::UTC), "2026-11-23 00:00 UTC");
    }
}
