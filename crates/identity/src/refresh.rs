//! When a token is still good, and when to renew it: pure functions of the time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How long before its expiry a token is not handed out any more: time for the request that carries it to arrive.
const MARGIN: Duration = Duration::from_secs(30);

/// How long to leave a server alone after a failed renewal, when it did not say.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long before its expiry a token of this lifetime stops being handed out; in microseconds.
pub(crate) fn margin(lifetime: Duration) -> u32 {
    MARGIN.min(lifetime / 10).as_micros() as u32
}

/// How long after its issue a token is renewed: half of its life, or earlier if the server said `refresh_in`, less up
/// to a twentieth of its life by which the keys of one process differ, so that they do not all renew at once.
pub(crate) fn refresh_after(lifetime: Duration, refresh_in: Option<Duration>, key: &impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let share = (hasher.finish() % 1_000) as u32;
    let due = refresh_in.map_or(lifetime / 2, |wished| wished.min(lifetime / 2));
    due.saturating_sub(lifetime / 20 * share / 1_000)
}

/// The pause before the next renewal after `failures` failed ones in a row.
pub(crate) fn pause_after(failures: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Case 12 of the peers' suites.
    #[test]
    fn renewal_falls_into_the_twentieth_of_life_before_half_of_it_and_differs_by_key() {
        let hour = Duration::from_secs(3_600);
        let due: Vec<Duration> = (0..10).map(|key| refresh_after(hour, None, &key)).collect();
        assert!(
            due.iter().all(|due| (Duration::from_secs(1_620)..=Duration::from_secs(1_800)).contains(due))
        );
        let distinct: std::collections::HashSet<_> = due.iter().collect();
        assert!(distinct.len() >= 8, "{due:?}");
        assert_eq!(refresh_after(hour, None, &0), due[0], "the same key renews at the same age");
    }

    #[test]
    fn the_server_may_ask_for_an_earlier_renewal() {
        let due = refresh_after(Duration::from_secs(86_400), Some(Duration::from_secs(600)), &"key");
        assert!(due <= Duration::from_secs(600));
    }

    #[test]
    fn the_pause_after_a_failed_renewal_grows_to_five_minutes() {
        let pauses: Vec<u64> = [1, 2, 3, 6, 40].map(|failures| pause_after(failures).as_secs()).into();
        assert_eq!(pauses, [15, 30, 60, 300, 300]);
    }
}
