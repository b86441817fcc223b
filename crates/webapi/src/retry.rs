//! Whether to ask again, and when: a pure function of what happened.

use std::time::Duration;

use http::StatusCode;

use crate::request::RequestClass;

/// How long one operation (a call, a page, a batch) may go on trying.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    attempts: u32,
    patient: bool,
    deadline: Duration,
}

impl RetryPolicy {
    /// For a caller who waits: 6 attempts within 120 seconds.
    #[must_use]
    pub const fn call() -> Self {
        Self { attempts: 6, patient: false, deadline: Duration::from_secs(120) }
    }

    /// For a job that nobody waits for: as often as the API says when to come back, else 10 attempts, within an hour.
    #[must_use]
    pub const fn job() -> Self {
        Self { attempts: 10, patient: true, deadline: Duration::from_secs(3_600) }
    }

    /// One attempt.
    #[must_use]
    pub const fn never() -> Self {
        Self { attempts: 1, patient: false, deadline: Duration::from_secs(120) }
    }

    /// Gives up once `deadline` has passed since the operation began; waits count.
    #[must_use]
    pub const fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// At most this many attempts in all, the first included; for [`job`](Self::job) those that the API did not ask
    /// for. Zero is one: the first attempt is the call itself.
    #[must_use]
    pub const fn attempts(self, attempts: u32) -> Self {
        Self { attempts: if attempts == 0 { 1 } else { attempts }, ..self }
    }

    /// How long an operation may take.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether nobody waits for the outcome.
    pub(crate) const fn is_patient(&self) -> bool {
        self.patient
    }

    /// Whether an attempt that ended so uses up one of the policy's attempts.
    pub(crate) fn counts(&self, outcome: Outcome) -> bool {
        !(self.patient && outcome.retry_after().is_some())
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::call()
    }
}

/// How an unsuccessful attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The API answered; `retry_after` is what it asked for.
    Status { status: StatusCode, retry_after: Option<Duration> },
    /// No byte of the request reached the API.
    NotSent { retry_after: Option<Duration> },
    /// The request left, and no whole answer came back.
    Unknown,
    /// Asking again changes nothing.
    Final,
}

/// Why an attempt is repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RetryReason {
    Throttled,
    Server,
    Connection,
    Token,
}

impl Outcome {
    /// Why it is repeated, if it is; that there was no answer may be for want of a token.
    pub(crate) fn reason(self, is_of_token: bool) -> RetryReason {
        match self {
            Self::Status { retry_after: Some(_), .. } => RetryReason::Throttled,
            Self::Status { status, .. } if matches!(status.as_u16(), 429 | 509) => RetryReason::Throttled,
            Self::Status { .. } => RetryReason::Server,
            _ if is_of_token => RetryReason::Token,
            Self::NotSent { .. } | Self::Unknown | Self::Final => RetryReason::Connection,
        }
    }

    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::NotSent { retry_after } => retry_after,
            Self::Unknown | Self::Final => None,
        }
    }

    /// Whether the API may have done what was asked although it did not say so.
    pub(crate) fn may_have_acted(self) -> bool {
        match self {
            Self::Status { status, .. } => Verdict::of(status, None) != Verdict::Final,
            Self::NotSent { .. } | Self::Final => false,
            Self::Unknown => true,
        }
    }
}

/// What to do after an unsuccessful attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Ask again after `wait`.
    Retry { wait: Duration },
    /// The answer stands.
    Stop,
    /// Nobody can tell whether the API acted, and asking again could do it twice.
    Ambiguous,
    /// It could be repeated, but not within the policy; the API could be asked after `wait`.
    Exhausted { wait: Duration },
}

/// Decides after attempt number `attempt` (from 1; the ones that the policy [counts](RetryPolicy::counts)),
/// `elapsed` after the operation began. `random` is in `0.0..1.0`.
pub(crate) fn decide(
    class: RequestClass,
    outcome: Outcome,
    attempt: u32,
    elapsed: Duration,
    policy: &RetryPolicy,
    random: f64,
) -> Decision {
    let verdict = match outcome {
        Outcome::Status { status, retry_after } => Verdict::of(status, retry_after),
        Outcome::NotSent { .. } => Verdict::Any,
        Outcome::Unknown => Verdict::Repeatable,
        Outcome::Final => Verdict::Final,
    };
    match (verdict, class) {
        (Verdict::Final, _) => return Decision::Stop,
        (Verdict::Repeatable, RequestClass::Unsafe) => return Decision::Ambiguous,
        (Verdict::Any, _) | (Verdict::Repeatable, _) => {}
    }
    let asked = outcome.retry_after();
    let wait = wait_for(asked, attempt, random);
    let spent = policy.counts(outcome) && attempt >= policy.attempts;
    if spent || wait > policy.deadline.saturating_sub(elapsed) {
        Decision::Exhausted { wait }
    } else {
        Decision::Retry { wait }
    }
}

/// Never shorter than the server asked, and never two clients at the same moment.
fn wait_for(asked: Option<Duration>, attempt: u32, random: f64) -> Duration {
    const CEILING: Duration = Duration::from_secs(60);
    const MOST_JITTER: Duration = Duration::from_secs(1);
    let cap = Duration::from_secs(1_u64 << attempt.saturating_sub(1).min(6)).min(CEILING);
    let wait = cap.mul_f64(random).max(asked.unwrap_or_default());
    wait.saturating_add((wait / 10).min(MOST_JITTER).mul_f64(random))
}

/// Which requests an answer allows to repeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// Every one: the API says that it did nothing.
    Any,
    /// Those that do no harm when done twice.
    Repeatable,
    /// None.
    Final,
}

impl Verdict {
    fn of(status: StatusCode, retry_after: Option<Duration>) -> Self {
        match status.as_u16() {
            429 | 509 => Self::Any,
            503 if retry_after.is_some() => Self::Any,
            408 | 423 | 500 | 502 | 503 | 504 => Self::Repeatable,
            _ => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(status: u16, retry_after: Option<Duration>) -> Outcome {
        Outcome::Status { status: StatusCode::from_u16(status).unwrap(), retry_after }
    }

    fn first(class: RequestClass, outcome: Outcome) -> Decision {
        decide(class, outcome, 1, Duration::ZERO, &RetryPolicy::call(), 0.5)
    }

    // RT-2, RT-3
    #[test]
    fn the_table_of_what_is_repeated() {
        use RequestClass::{Idempotent, Safe, Unsafe};
        let repeated = |class, outcome| matches!(first(class, outcome), Decision::Retry { .. });

        for outcome in [
            answered(429, None),
            answered(429, Some(SECOND)),
            answered(509, None),
            answered(503, Some(SECOND)),
            Outcome::NotSent { retry_after: None },
        ] {
            for class in [Safe, Idempotent, Unsafe] {
                assert!(repeated(class, outcome), "{class:?} {outcome:?}");
            }
        }
        for outcome in [408, 423, 500, 502, 503, 504]
            .map(|status| answered(status, None))
            .into_iter()
            .chain([Outcome::Unknown])
        {
            assert!(repeated(Safe, outcome) && repeated(Idempotent, outcome), "{outcome:?}");
            assert_eq!(first(Unsafe, outcome), Decision::Ambiguous, "{outcome:?}");
        }
        for status in [301, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 501, 507] {
            for class in [Safe, Idempotent, Unsafe] {
                assert_eq!(first(class, answered(status, Some(SECOND))), Decision::Stop, "{status}");
            }
        }
    }

    // RT-5
    #[test]
    fn the_wait_is_never_shorter_than_the_server_asked() {
        for seconds in [1, 7, 30, 119] {
            for random in [0.0, 0.3, 0.999] {
                let asked = Duration::from_secs(seconds);
                let wait = wait_for(Some(asked), 1, random);
                assert!(wait >= asked && wait <= asked + (asked / 10).min(SECOND), "{wait:?}");
            }
        }
    }

    // RT-5
    #[test]
    fn a_wait_beyond_the_deadline_is_not_begun() {
        let outcome = answered(429, Some(Duration::from_secs(300)));
        assert_eq!(
            decide(RequestClass::Safe, outcome, 1, Duration::ZERO, &RetryPolicy::call(), 0.0),
            Decision::Exhausted { wait: Duration::from_secs(300) }
        );
    }

    // RT-6
    #[test]
    fn the_back_off_doubles_up_to_a_minute_and_is_full_jitter() {
        assert_eq!(wait_for(None, 1, 0.0), Duration::ZERO);
        for (attempt, cap) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)] {
            let wait = wait_for(None, attempt, 0.999_999);
            let cap = Duration::from_secs(cap);
            assert!(wait > cap.mul_f64(0.99) && wait <= cap + SECOND, "{attempt}: {wait:?}");
        }
    }

    // RT-6, RT-10
    #[test]
    fn a_call_ends_after_six_attempts_and_a_job_goes_on_while_the_server_says_when() {
        let (asked, unasked) = (answered(429, Some(SECOND)), answered(503, None));
        let goes_on = |policy: RetryPolicy, outcome, attempt| {
            matches!(
                decide(RequestClass::Safe, outcome, attempt, Duration::ZERO, &policy, 0.0),
                Decision::Retry { .. }
            )
        };
        assert!(goes_on(RetryPolicy::call(), asked, 5) && !goes_on(RetryPolicy::call(), asked, 6));
        assert!(goes_on(RetryPolicy::job(), asked, 1_000) && !goes_on(RetryPolicy::job(), unasked, 10));
        assert!(!goes_on(RetryPolicy::never(), unasked, 1));
        assert!(!goes_on(RetryPolicy::call().attempts(0), unasked, 1));
    }
}
