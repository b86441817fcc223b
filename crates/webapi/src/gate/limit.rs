//! How many requests may be under way at once, and how fast they may follow each other: learned from the answers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

/// Where every client begins: low enough to find out gently.
const FIRST: f64 = 8.0;
/// Up to here it grows by one for each success, that is twofold in a round trip, while the API has not objected.
const EASY: f64 = 64.0;
/// How often the limit is halved at most: all the requests of one burst are refused together and mean one thing.
const CUT_PAUSE: Duration = Duration::from_secs(1);

/// The share of its quota that the application has used (`1.0` is all), and what is left of it until when.
static USED: HeaderName = HeaderName::from_static("x-ms-throttle-limit-percentage");
static LEFT: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Additive increase, multiplicative decrease, as congestion control does it: after a fast start one more for every
/// `limit` successes, eight times as slowly near the point where the API refused last, and half as many for a refusal.
#[derive(Debug)]
pub(super) struct Limit {
    limit: f64,
    ceiling: f64,
    successes: f64,
    last_cut: Option<Duration>,
    /// The limit at which the API refused last.
    refused_at: Option<f64>,
    /// The share of its quota that the API says is used; zero if it says nothing.
    used: f64,
    /// The API says that its limit is near.
    is_frozen: bool,
    /// Whether it has ever objected or warned.
    is_warned: bool,
    pace: Option<Pace>,
}

/// The API has told how many requests it takes until when.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: Duration,
    next: Duration,
    until: Duration,
}

impl Limit {
    pub(super) fn new(ceiling: u32) -> Self {
        let ceiling = f64::from(ceiling.max(1));
        let limit = FIRST.min(ceiling);
        Self {
            limit,
            ceiling,
            successes: 0.0,
            last_cut: None,
            refused_at: None,
            used: 0.0,
            is_frozen: false,
            is_warned: false,
            pace: None,
        }
    }

    /// Allows at most so many from now on.
    pub(super) fn narrow(&mut self, ceiling: u32) {
        self.ceiling = self.ceiling.min(f64::from(ceiling.max(1)));
        self.limit = self.limit.min(self.ceiling);
    }

    /// How many may be under way.
    pub(super) fn width(&self) -> u32 {
        // Between 1 and the ceiling, which came from a `u32`.
        self.limit as u32
    }

    /// The share of its quota that the API has last said is used; zero if it said nothing.
    pub(super) fn used(&self) -> f64 {
        self.used
    }

    /// Whether requests have turns.
    pub(super) fn is_paced(&self, now: Duration) -> bool {
        self.pace.is_some_and(|pace| now < pace.until)
    }

    /// How long a request that costs `cost` has to wait for its turn.
    pub(super) fn turn(&mut self, cost: u32, now: Duration) -> Duration {
        let Some(pace) = self.pace.as_mut().filter(|pace| now < pace.until) else {
            self.pace = None;
            return Duration::ZERO;
        };
        let turn = pace.next.max(now);
        pace.next = turn.saturating_add(pace.interval.saturating_mul(cost));
        turn - now
    }

    /// Learns from an answer.
    pub(super) fn learn(&mut self, status: StatusCode, headers: &HeaderMap, now: Duration) {
        let used = number(headers, &USED);
        self.used = used.unwrap_or_default();
        self.is_frozen = used.is_some_and(|used| used >= 0.8);
        self.is_warned |= self.is_frozen;
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            || used.is_some_and(|used| used >= 1.0)
        {
            self.cut(now);
        } else if status.is_success() && !self.is_frozen {
            self.successes += 1.0;
            let starts = !self.is_warned && self.limit < EASY;
            if starts || self.successes >= self.limit * self.caution() {
                self.successes = 0.0;
                self.limit = (self.limit + 1.0).min(self.ceiling);
            }
        }
        if let (Some(left), Some(reset)) = (number(headers, &LEFT), number(headers, &RESET)) {
            self.pace(left, reset, now);
        }
    }

    /// By how much slower it grows where the API has refused before: what is left of a quota is found out gently, and
    /// whoever is past that point finds a new one.
    fn caution(&self) -> f64 {
        const SLOWER: f64 = 8.0;
        let is_near = |refused: f64| self.limit > refused * 0.65 && self.limit < refused * 1.1;
        if self.refused_at.is_some_and(is_near) { SLOWER } else { 1.0 }
    }

    fn cut(&mut self, now: Duration) {
        if self.last_cut.is_none_or(|last| now.saturating_sub(last) >= CUT_PAUSE) {
            self.refused_at = Some(self.limit);
            self.is_warned = true;
            self.limit = (self.limit / 2.0).max(1.0);
            self.successes = 0.0;
            self.last_cut = Some(now);
        }
    }

    /// Spreads what is left over the time until there is more.
    fn pace(&mut self, left: f64, reset: f64, now: Duration) {
        let Ok(reset) = Duration::try_from_secs_f64(reset.min(3_600.0)) else { return };
        let interval = if left >= 1.0 { reset.div_f64(left) } else { reset };
        let next = self.pace.map_or(now, |pace| pace.next).min(now.saturating_add(reset));
        self.pace = Some(Pace { interval, next, until: now.saturating_add(reset) });
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<f64> {
    let number: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn succeed(limit: &mut Limit, times: usize, with: &HeaderMap) {
        (0..times).for_each(|_| limit.learn(StatusCode::OK, with, Duration::ZERO));
    }

    // RL-2
    #[test]
    fn it_doubles_up_to_64_then_grows_by_one_for_as_many_successes() {
        let mut limit = Limit::new(70);
        for (successes, width) in [(8, 16), (16, 32), (32, 64), (63, 64), (1, 65), (65, 66), (1_000, 70)] {
            succeed(&mut limit, successes, &HeaderMap::new());
            assert_eq!(limit.width(), width);
        }
        // Once it was refused, it does not begin so fast again.
        let mut limit = Limit::new(70);
        limit.learn(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), SECOND);
        succeed(&mut limit, 4, &HeaderMap::new());
        assert_eq!(limit.width(), 5);
    }

    // RL-2
    #[test]
    fn it_is_halved_once_a_second_and_stays_within_its_bounds() {
        let mut limit = Limit::new(10);
        succeed(&mut limit, 1_000, &HeaderMap::new());
        assert_eq!(limit.width(), 10);
        for (status, at, width) in
            [(429, 1, 5), (429, 1, 5), (503, 2, 2), (404, 9, 2), (429, 9, 1), (429, 20, 1)]
        {
            limit.learn(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), at * SECOND);
            assert_eq!(limit.width(), width, "{status} at {at}");
        }
        assert_eq!(Limit::new(4).width(), 4);
    }

    // RL-3
    #[test]
    fn an_api_that_says_how_near_its_limit_is_is_not_pushed_over_it() {
        let mut limit = Limit::new(100);
        succeed(&mut limit, 100, &headers(&[("x-ms-throttle-limit-percentage", "0.8")]));
        assert_eq!(limit.width(), 8);
        succeed(&mut limit, 100, &headers(&[("x-ms-throttle-limit-percentage", "1.2")]));
        assert_eq!(limit.width(), 4);
        succeed(&mut limit, 4, &HeaderMap::new());
        assert_eq!(limit.width(), 5);
    }

    // RL-3, BT-6
    #[test]
    fn what_is_left_is_spread_over_the_time_until_there_is_more() {
        let mut limit = Limit::new(100);
        let told = headers(&[("ratelimit-remaining", "20"), ("ratelimit-reset", "10")]);
        limit.learn(StatusCode::OK, &told, SECOND);
        let waits: Vec<u128> = [1, 1, 20, 1].map(|cost| limit.turn(cost, SECOND).as_millis()).into();
        assert_eq!(waits, [0, 500, 1_000, 11_000], "a batch of 20 takes twenty turns");
        assert_eq!(limit.turn(1, 12 * SECOND), Duration::ZERO, "then there is more");
        limit.learn(
            StatusCode::OK,
            &headers(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "3")]),
            SECOND,
        );
        assert!(limit.turn(1, SECOND).is_zero() && limit.turn(1, SECOND) == 3 * SECOND);
    }
}
