//! One operation: a deadline, and as many attempts as the breaker, the policy, the budget and the request allow.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use unattended_core::{HttpErrorKind, retry_after};

use crate::body::Answer;
use crate::breaker::{Admission, Open};
use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::{Attempt, Error, Kind, Withheld};
use crate::gate::{Gate, Passage, Permit, StaysClosed};
use crate::hedge;
use crate::limits::{self, TooLong};
use crate::permissions;
use crate::query;
use crate::request::{Request, RequestClass};
use crate::response::Response;
use crate::retry::{Decision, Outcome, decide};
use crate::traffic::Place;

/// From such a wait on, somebody who watches wonders what is going on.
const NOTICEABLE: Duration = Duration::from_secs(2);

/// Runs `request` to its end.
pub(crate) async fn run(client: &Inner, request: &Request) -> Result<Response, Error> {
    let span = tracing::debug_span!(
        "call",
        operation = %client.entropy.uuid(),
        method = %request.method,
        url = %client.authenticate.bearer.base.shown(&request.uri),
    );
    let started = client.clock.elapsed_coarse();
    let part = client.gate_of_part(client.authenticate.bearer.base.below(&request.uri));
    let gate = part.as_ref().map_or(&client.gate, |(gate, _)| gate);
    let result = Operation::new(client, request, gate, started).run().instrument(span).await;
    let bytes = result.as_ref().ok().map(|response| response.body().len());
    client.origin.counters.ended(client.clock.elapsed_coarse().saturating_sub(started), bytes);
    result
}

struct Operation<'a> {
    client: &'a Inner,
    request: &'a Request,
    gate: &'a Gate,
    started: Duration,
    deadline: Deadline,
    attempts: Vec<Attempt>,
    /// Attempts that the policy counts.
    counted: u32,
    /// Whether an earlier attempt may have been carried out although it was not answered with success.
    may_have_acted: bool,
    /// Why the attempt before this one failed.
    latest: Option<Error>,
}

impl<'a> Operation<'a> {
    fn new(client: &'a Inner, request: &'a Request, gate: &'a Gate, started: Duration) -> Self {
        Self {
            client,
            request,
            gate,
            started,
            deadline: Deadline::after(client.clock.clone(), client.policy.deadline()),
            attempts: Vec::new(),
            counted: 0,
            may_have_acted: false,
            latest: None,
        }
    }

    async fn run(mut self) -> Result<Response, Error> {
        self.client.origin.budget.deposit();
        if self.client.hedges {
            self.client.origin.hedges.deposit();
        }
        loop {
            let admission = self.pass_breaker().await?;
            self.keep_pace().await?;
            let passed = self.pass().await?;
            let deadline = self.attempt_deadline();
            let span = self.attempt_span();
            let attempt = match self.client.hedges && self.request.class == RequestClass::Safe {
                true => Box::pin(self.hedged(&deadline)).instrument(span.clone()).await,
                false => {
                    self.client.authenticate.send(self.request, &deadline).instrument(span.clone()).await
                }
            };
            tell_outcome(&span, &attempt);
            self.report(admission, &attempt);
            drop(passed);
            let failure = match attempt {
                Ok(answer) if answer.status.is_success() => return Ok(self.success(answer, false)),
                Ok(answer) if self.is_already_gone(&answer) => return Ok(self.success(answer, true)),
                Ok(answer) => self.refused(&answer),
                Err(error) => self.failed(error),
            };
            let wait = self.judge(failure)?;
            self.tell(wait);
            self.client.clock.sleep(wait).await;
        }
    }

    /// With the names of OpenTelemetry's conventions for HTTP clients.
    fn attempt_span(&self) -> Span {
        let Inner { authenticate, .. } = self.client;
        tracing::debug_span!(
            "attempt",
            otel.name = %self.request.method,
            otel.kind = "client",
            http.request.method = %self.request.method,
            http.request.resend_count = (!self.attempts.is_empty()).then_some(self.attempts.len()),
            server.address = self.request.uri.host(),
            server.port = self.request.uri.port_u16(),
            url.full = %authenticate.bearer.base.shown(&self.request.uri),
            http.response.status_code = Empty,
            http.response.body.size = Empty,
            error.r#type = Empty,
        )
    }

    /// A job waits for the next probe, a call fails at once: its caller would rather know.
    async fn pass_breaker(&mut self) -> Result<Admission, Error> {
        let Inner { origin, clock, policy, .. } = self.client;
        loop {
            match origin.breaker.admit(clock.elapsed_coarse()) {
                Ok(admission) => return Ok(admission),
                Err(Open { wait }) if policy.is_patient() && wait < self.deadline.remaining() => {
                    clock.sleep(wait).await;
                }
                Err(Open { wait }) => {
                    let open = Error::new(Kind::CircuitOpen).retry_from(clock.now().checked_add(wait));
                    let open = match self.latest.take() {
                        Some(latest) => open.because(latest),
                        None => open,
                    };
                    return Err(self.end(open.ambiguous(self.is_ambiguous())));
                }
            }
        }
    }

    /// An attempt, and a copy of it if it is late and nothing speaks against that.
    async fn hedged(&self, deadline: &Deadline) -> Result<Answer, Error> {
        let Inner { origin, clock, authenticate, .. } = self.client;
        let began = clock.elapsed();
        let first = authenticate.send(self.request, deadline);
        let answer = match origin.hedges.late_after() {
            None => first.await,
            Some(late) => hedge::hedged(first, clock.sleep(late), || self.copy(deadline)).await,
        };
        if answer.as_ref().is_ok_and(|answer| answer.status.is_success()) {
            origin.hedges.record(clock.elapsed().saturating_sub(began));
        }
        answer
    }

    /// A second exchange for the same attempt, if there may be one.
    fn copy(&self, deadline: &Deadline) -> Option<impl Future<Output = Result<Answer, Error>>> {
        let Inner { origin, owner, clock, authenticate, .. } = self.client;
        let permit = self.gate.pass_at_once(self.passage(), hedge::SPARE_QUOTA, &**clock)?;
        let place = origin.places.take(owner, self.request.cost).now_or_never()?;
        origin.hedges.withdraw().then(|| {
            tracing::debug!("no answer yet; sending a copy");
            async move {
                let answer = authenticate.send(self.request, deadline).await;
                if let Ok(answer) = &answer
                    && !answer.status.is_success()
                {
                    // The answer that counts may be a success and say nothing of this.
                    self.gate.learn(answer.status, &answer.headers, &**clock);
                    self.heed(answer, retry_after(&answer.headers, clock.now()));
                }
                drop((permit, place));
                answer
            }
        })
    }

    fn passage(&self) -> Passage {
        Passage { access: self.request.access, cost: self.request.cost, places: 1 }
    }

    /// A body that is streamed takes as long as it takes; every other attempt has a limit of its own.
    fn attempt_deadline(&self) -> Deadline {
        if self.request.body.is_bytes() {
            self.deadline.narrowed(self.client.authenticate.bearer.timeouts.attempt)
        } else {
            self.deadline.clone()
        }
    }

    /// Tells the gate what the API bears, and the breaker about faults of the server and of the connection. That there
    /// is no token is not the API's fault; that is no outcome at all.
    fn report(&self, admission: Admission, attempt: &Result<Answer, Error>) {
        let Inner { origin, clock, .. } = self.client;
        if let Ok(answer) = attempt {
            self.learn_cost(&answer.headers);
            self.gate.learn(answer.status, &answer.headers, &**clock);
        }
        let (fault, asked) = match attempt {
            Ok(answer) if answer.status.is_server_error() => {
                (true, retry_after(&answer.headers, clock.now()))
            }
            Ok(_) => (false, None),
            Err(error) => match error.exchange_kind() {
                Some(kind) => (kind != HttpErrorKind::TooLong, None),
                None => return,
            },
        };
        origin.breaker.record(admission, fault, asked, clock.elapsed_coarse());
    }

    fn tell(&self, wait: Duration) {
        let (attempt, wait_ms) = (self.attempts.len(), wait.as_millis());
        let error = self.latest.as_ref().map(ToString::to_string).unwrap_or_default();
        if wait < NOTICEABLE {
            tracing::debug!(attempt, wait_ms, error, "asking again");
        } else {
            tracing::warn!(attempt, wait_ms, error, "asking again");
        }
    }

    /// Keeps to the pace that is known for what is asked, before the API has to refuse anything.
    async fn keep_pace(&mut self) -> Result<(), Error> {
        let Inner { origin, owner, limits, clock, authenticate, .. } = self.client;
        let below = authenticate.bearer.base.below(&self.request.uri);
        let Some(pace) = limits.as_ref().and_then(|limits| limits.pace(below)) else { return Ok(()) };
        match origin.paces.take(owner, pace, 1, self.deadline.remaining(), clock.elapsed()) {
            Ok(Duration::ZERO) => Ok(()),
            Ok(wait) => {
                clock.sleep(wait).await;
                Ok(())
            }
            Err(TooLong { wait }) => {
                let open_at = clock.now().checked_add(wait);
                Err(self.end(Error::new(Kind::GateClosed).retry_from(open_at)))
            }
        }
    }

    /// Learns what a request of this kind costs.
    fn learn_cost(&self, headers: &HeaderMap) {
        let Inner { origin, limits: Some(_), authenticate, .. } = self.client else { return };
        let units =
            headers.get("x-ms-resource-unit").and_then(|units| units.to_str().ok()?.trim().parse().ok());
        if let Some(units) = units {
            let below = authenticate.bearer.base.below(&self.request.uri);
            origin.learn_cost(limits::template(&self.request.method, below), units);
        }
    }

    /// Waits for the gate, and then for the turn of this tenant. The gate may have been closed meanwhile.
    async fn pass(&mut self) -> Result<(Permit<'a>, Place<'a>), Error> {
        let Inner { origin, owner, clock, .. } = self.client;
        loop {
            let permit = self.pass_gate().await?;
            let place = origin.places.take(owner, self.request.cost);
            let Some(place) = self.deadline.limit(place).await else {
                return Err(self.end(Error::new(Kind::DeadlinePassed)));
            };
            if self.gate.closed_for(self.request.access, &**clock).is_zero() {
                return Ok((permit, place));
            }
        }
    }

    /// Waits for the gate within the deadline; who could not pass in time is told so before anything is sent.
    async fn pass_gate(&mut self) -> Result<Permit<'a>, Error> {
        let Inner { clock, entropy, .. } = self.client;
        match self.gate.pass(self.passage(), self.deadline.remaining(), &**clock, &**entropy).await {
            Ok(_) if self.deadline.remaining().is_zero() => Err(self.end(Error::new(Kind::DeadlinePassed))),
            Ok(permit) => Ok(permit),
            Err(StaysClosed { wait }) => {
                let open_at = clock.now().checked_add(wait);
                Err(self.end(Error::new(Kind::GateClosed).retry_from(open_at)))
            }
        }
    }

    fn refused(&self, answer: &Answer) -> (Outcome, Error) {
        let asked = retry_after(&answer.headers, self.client.clock.now());
        self.heed(answer, asked);
        let spent = answer.status == StatusCode::UNAUTHORIZED && !self.request.body.is_replayable();
        let error = Error::refused(answer);
        let error = if spent { error.withheld(Withheld::Body) } else { error };
        (Outcome::Status { status: answer.status, retry_after: asked }, error)
    }

    /// Closes the gate if the API asks for it.
    fn heed(&self, answer: &Answer, asked: Option<Duration>) {
        let below = self.client.authenticate.bearer.base.below(&self.request.uri);
        self.client.heed(self.gate, below, (answer.status, &answer.headers), asked);
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
        let client = self.client;
        let Inner { policy, clock, entropy, .. } = client;
        self.counted += u32::from(policy.counts(outcome));
        let elapsed = clock.elapsed().saturating_sub(self.started);
        let decision =
            decide(self.request.class, outcome, self.counted.max(1), elapsed, policy, entropy.unit());
        // What is in the way may be the work of an earlier attempt.
        let done_before = self.may_have_acted
            && ((self.request.method == Method::POST && error.is_conflict())
                || error.is_precondition_failed());
        self.may_have_acted |= outcome.may_have_acted();
        let withheld = match decision {
            Decision::Retry { .. } => self.withheld(outcome, &error),
            _ => None,
        };
        let wait = match (decision, withheld) {
            (Decision::Retry { wait }, None) => wait,
            _ => Duration::ZERO,
        };
        self.attempts.push(Attempt {
            status: error.status(),
            request_id: error.request_id().map(str::to_owned),
            wait,
        });
        match (decision, withheld) {
            (Decision::Retry { wait }, None) => {
                client.origin.counters.repeated(outcome.reason(error.is_token()));
                self.latest = Some(error);
                Ok(wait)
            }
            (Decision::Retry { .. }, Some(reason)) => {
                let ambiguous = self.is_ambiguous();
                Err(self.end(error.withheld(reason).ambiguous(ambiguous)))
            }
            (Decision::Stop, _) => Err(self.stopped(error.ambiguous(done_before))),
            (Decision::Ambiguous, _) => Err(self.end(error.ambiguous(true))),
            (Decision::Exhausted { wait }, _) => {
                let asked = outcome.retry_after().is_some();
                let at = asked.then(|| clock.now().checked_add(wait)).flatten();
                Err(self.end(error.retry_from(at)))
            }
        }
    }

    /// The answer stands; what it means may be known.
    fn stopped(&mut self, error: Error) -> Error {
        let below = self.client.authenticate.bearer.base.below(&self.request.uri);
        let error = query::explain(error, below, &self.request.headers);
        self.end(permissions::explain(error, &self.request.method, below))
    }

    /// Why the attempt that the policy allows is not made. What the API asked for is free, and what never got as far
    /// as the API does not burden it.
    fn withheld(&self, outcome: Outcome, error: &Error) -> Option<Withheld> {
        if !self.request.body.is_replayable() {
            return Some(Withheld::Body);
        }
        let is_free = outcome.retry_after().is_some() || error.is_token();
        (!is_free && !self.client.origin.budget.withdraw()).then_some(Withheld::Budget)
    }

    /// Whether ending here leaves open if an unsafe request was carried out.
    fn is_ambiguous(&self) -> bool {
        self.may_have_acted && self.request.class == RequestClass::Unsafe
    }

    fn success(&self, answer: Answer, already_gone: bool) -> Response {
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        Response::new(answer, attempts, already_gone)
    }

    fn end(&mut self, error: Error) -> Error {
        let url = self.client.authenticate.bearer.base.shown(&self.request.uri);
        error.after(std::mem::take(&mut self.attempts)).about_shown(&self.request.method, &url)
    }

    /// A repeated `DELETE` that finds nothing has done its work.
    fn is_already_gone(&self, answer: &Answer) -> bool {
        self.may_have_acted && self.request.method == Method::DELETE && answer.status == StatusCode::NOT_FOUND
    }
}

/// What the attempt came to. Its sizes are those after decompression.
fn tell_outcome(span: &Span, attempt: &Result<Answer, Error>) {
    if span.is_disabled() {
        return;
    }
    match attempt {
        Ok(answer) => {
            let status = answer.status.as_u16();
            span.record("http.response.status_code", status);
            span.record("http.response.body.size", answer.body.len());
            if !answer.status.is_success() {
                span.record("error.type", status);
            }
        }
        Err(error) => {
            span.record("error.type", error.type_name());
        }
    }
}
