//! One operation: a deadline, and as many attempts as the policy and the request allow.

use std::time::Duration;

use http::{Method, StatusCode};
use tracing::Instrument as _;
use unattended_core::{HttpErrorKind, redact_url, retry_after};

use crate::body::Answer;
use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::{Attempt, Error, Kind};
use crate::gate::StaysClosed;
use crate::request::Request;
use crate::response::Response;
use crate::retry::{Decision, Outcome, decide};

/// From such a wait on, somebody who watches wonders what is going on.
const NOTICEABLE: Duration = Duration::from_secs(2);

/// Runs `request` to its end.
pub(crate) async fn run(client: &Inner, request: &Request) -> Result<Response, Error> {
    let span = tracing::debug_span!(
        "call",
        operation = %client.entropy.uuid(),
        method = %request.method,
        url = %redact_url(&request.uri.to_string()),
    );
    Operation::new(client, request).run().instrument(span).await
}

struct Operation<'a> {
    client: &'a Inner,
    request: &'a Request,
    started: Duration,
    deadline: Deadline,
    attempts: Vec<Attempt>,
    /// Attempts that the policy counts.
    counted: u32,
    /// Whether an earlier attempt may have been carried out although it was not answered with success.
    may_have_acted: bool,
}

impl<'a> Operation<'a> {
    fn new(client: &'a Inner, request: &'a Request) -> Self {
        Self {
            client,
            request,
            started: client.clock.elapsed(),
            deadline: Deadline::after(client.clock.clone(), client.policy.deadline()),
            attempts: Vec::new(),
            counted: 0,
            may_have_acted: false,
        }
    }

    async fn run(mut self) -> Result<Response, Error> {
        loop {
            self.pass_gate().await?;
            let limits = self.deadline.narrowed(self.client.authenticate.bearer.timeouts.attempt);
            let failure = match self.client.authenticate.send(self.request, &limits).await {
                Ok(answer) if answer.status.is_success() => return Ok(self.success(answer, false)),
                Ok(answer) if self.is_already_gone(&answer) => return Ok(self.success(answer, true)),
                Ok(answer) => self.refused(&answer),
                Err(error) => self.failed(error),
            };
            let told = failure.1.to_string();
            let wait = self.judge(failure)?;
            let (attempt, wait_ms) = (self.attempts.len(), wait.as_millis());
            if wait < NOTICEABLE {
                tracing::debug!(attempt, wait_ms, error = told, "asking again");
            } else {
                tracing::warn!(attempt, wait_ms, error = told, "asking again");
            }
            self.client.clock.sleep(wait).await;
        }
    }

    /// Waits for the gate within the deadline; who could not pass in time is told so before anything is sent.
    async fn pass_gate(&mut self) -> Result<(), Error> {
        let Inner { gate, clock, entropy, .. } = self.client;
        match gate.pass(self.deadline.remaining(), &**clock, &**entropy).await {
            Ok(()) if self.deadline.remaining().is_zero() => Err(self.end(Error::new(Kind::DeadlinePassed))),
            Ok(()) => Ok(()),
            Err(StaysClosed { wait }) => {
                let open_at = clock.now().checked_add(wait);
                Err(self.end(Error::new(Kind::GateClosed).retry_from(open_at)))
            }
        }
    }

    fn refused(&self, answer: &Answer) -> (Outcome, Error) {
        let asked = retry_after(&answer.headers, self.client.clock.now());
        if let (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) =
            (answer.status, asked)
        {
            self.client.gate.close_for(wait, &*self.client.clock);
        }
        (Outcome::Status { status: answer.status, retry_after: asked }, Error::refused(answer))
    }

    fn failed(&self, error: Error) -> (Outcome, Error) {
        let outcome = match error.exchange_kind() {
            Some(HttpErrorKind::Connect) => Outcome::NotSent { retry_after: None },
            Some(HttpErrorKind::TooLong) => Outcome::Final,
            Some(_) => Outcome::Unknown,
            None if error.token_is_transient() => {
                let now = self.client.clock.now();
                let wait = error.retry_at().map(|at| at.duration_since(now).unwrap_or_default());
                Outcome::NotSent { retry_after: wait }
            }
            None => Outcome::Final,
        };
        (outcome, error)
    }

    /// The wait before the next attempt, or why there is none.
    fn judge(&mut self, (outcome, error): (Outcome, Error)) -> Result<Duration, Error> {
        let Inner { policy, clock, entropy, .. } = self.client;
        self.counted += u32::from(policy.counts(outcome));
        let elapsed = clock.elapsed().saturating_sub(self.started);
        let decision =
            decide(self.request.class, outcome, self.counted.max(1), elapsed, policy, entropy.unit());
        let created_before =
            self.may_have_acted && self.request.method == Method::POST && error.is_conflict();
        self.may_have_acted |= outcome.may_have_acted();
        let wait = if let Decision::Retry { wait } = decision { wait } else { Duration::ZERO };
        self.attempts.push(Attempt {
            status: error.status(),
            request_id: error.request_id().map(str::to_owned),
            wait,
        });
        match decision {
            Decision::Retry { wait } => Ok(wait),
            Decision::Stop => Err(self.end(error.ambiguous(created_before))),
            Decision::Ambiguous => Err(self.end(error.ambiguous(true))),
            Decision::Exhausted { wait } => {
                let asked = outcome.retry_after().is_some();
                let at = asked.then(|| clock.now().checked_add(wait)).flatten();
                Err(self.end(error.retry_from(at)))
            }
        }
    }

    fn success(&self, answer: Answer, already_gone: bool) -> Response {
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        Response::new(answer, attempts, already_gone)
    }

    fn end(&mut self, error: Error) -> Error {
        error.after(std::mem::take(&mut self.attempts)).about(self.request)
    }

    /// A repeated `DELETE` that finds nothing has done its work.
    fn is_already_gone(&self, answer: &Answer) -> bool {
        self.may_have_acted && self.request.method == Method::DELETE && answer.status == StatusCode::NOT_FOUND
    }
}
