//! Not more than so many requests in any stretch of so many seconds.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Pace, Quota};

/// From how many quotas on those are forgotten that nobody has used for an hour.
const MANY: usize = 10_000;
const LONG_AGO: Duration = Duration::from_secs(3_600);

/// When requests went, and those that wait will go, for each quota of each application in each tenant.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<Quota, VecDeque<Duration>>>);

/// The turn would come later than the caller can wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLong {
    pub(crate) wait: Duration,
}

impl Paces {
    /// Takes a turn for so many requests together, and says how long it is until then.
    pub(crate) fn take(
        &self,
        owner: &Arc<str>,
        (pace, name): (&Pace, String),
        requests: u32,
        patience: Duration,
        now: Duration,
    ) -> Result<Duration, TooLong> {
        let window = Duration::from_secs(u64::from(pace.seconds));
        let mut quotas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if quotas.len() >= MANY {
            quotas.retain(|_, turns| turns.back().is_some_and(|last| last.saturating_add(LONG_AGO) > now));
        }
        let turns = quotas.entry(Quota { owner: Arc::clone(owner), name }).or_default();
        while turns.front().is_some_and(|first| first.saturating_add(window) <= now) {
            turns.pop_front();
        }
        // The one so many turns ago has to be out of the window.
        let most = pace.at_once();
        let requests = requests.clamp(1, most);
        let before = (turns.len() + requests as usize).checked_sub(most as usize + 1);
        let before = before.and_then(|at| turns.get(at));
        let turn = before.map_or(now, |before| before.saturating_add(window).max(now));
        if turn - now > patience {
            return Err(TooLong { wait: turn - now });
        }
        turns.extend((0..requests).map(|_| turn));
        Ok(turn - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RL-4
    #[test]
    fn no_stretch_of_the_window_holds_more_than_the_quota() {
        let pace: Pace = serde_json::from_str(
            r#"{ "name": "reports", "below": ["/auditLogs"], "requests": 5, "seconds": 10 }"#,
        )
        .unwrap();
        let (paces, owner): (_, Arc<str>) = (Paces::default(), "t a".into());
        let second = Duration::from_secs(1);
        let take = |patience, now| paces.take(&owner, (&pace, "reports".to_owned()), 1, patience, now);
        let mut turns: Vec<Duration> =
            (0..12).map(|at| at * second / 2).map(|now| now + take(60 * second, now).unwrap()).collect();
        assert_eq!(take(second, 6 * second), Err(TooLong { wait: 15 * second }), "and takes no turn");
        assert_eq!(take(60 * second, 6 * second), Ok(15 * second));
        turns.sort_unstable();
        for pair in turns.windows(6) {
            assert!(pair[5] - pair[0] >= 10 * second, "{pair:?}");
        }
        assert_eq!(turns[4], 2 * second, "the first five do not wait");
    }

    // RL-4, BT-6
    #[test]
    fn those_that_go_together_wait_until_there_is_room_for_all_of_them() {
        let pace: Pace = serde_json::from_str(
            r#"{ "name": "reports", "below": ["/auditLogs"], "requests": 5, "seconds": 10 }"#,
        )
        .unwrap();
        let (paces, owner): (_, Arc<str>) = (Paces::default(), "t a".into());
        let second = Duration::from_secs(1);
        let take = |requests| {
            paces.take(&owner, (&pace, "reports".to_owned()), requests, 60 * second, second).unwrap()
        };
        let waits: Vec<Duration> = [3, 2, 4, 2, 9].map(take).into();
        assert_eq!(waits, [0, 0, 10, 20, 30].map(|seconds| seconds * second));
    }
}
