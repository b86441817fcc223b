//! Applying a plan: batches of 20, each write journalled before it is sent and after it is answered.

use http::{Method, StatusCode};
use serde_json::{Map, Value};
use unattended_webapi::{self as webapi, BatchOutcome, BatchRequest};

use super::journal::{Ledger, digest};
use super::lookup;
use crate::error::JobError;
use crate::job::Provision;
use crate::observer::{Event, Phase};
use crate::plan::{Actual, Step, step};
use crate::reject::{Reject, RejectFile};
use crate::report::{Outcome, Report};
use crate::row::{Desired, Kind};
use crate::run::RunContext;
use crate::store::{Answer, Intent, Operation};
use crate::users;

const BATCH: usize = 20;
/// How often one row is sent before it counts as failed.
const MOST_SENDS: u32 = 3;

/// Takes rows in their order and brings the directory to what they say.
pub(super) struct Applier<'a> {
    job: &'a Provision,
    kind: Kind,
    context: &'a RunContext<'a>,
    report: &'a mut Report,
    actual: Actual,
    ledger: Ledger,
    rejects: RejectFile,
    queue: Vec<Write>,
    /// Answers that were lost with an earlier attempt and are known by now.
    settled: Vec<Answer>,
    total: u64,
}

/// A write that waits for its batch, or for its answer.
struct Write {
    desired: Desired,
    operation: Operation,
    method: Method,
    url: String,
    body: Map<String, Value>,
    sends: u32,
}

impl<'a> Applier<'a> {
    pub(super) async fn new(
        job: &'a Provision,
        context: &'a RunContext<'a>,
        report: &'a mut Report,
        actual: Actual,
        total: u64,
    ) -> Result<Self, JobError> {
        Ok(Self {
            job,
            kind: Kind::of(&job.resource),
            context,
            report,
            actual,
            ledger: Ledger::load(context).await?,
            rejects: RejectFile::new(&job.rejects),
            queue: Vec::with_capacity(BATCH),
            settled: Vec::new(),
            total,
        })
    }

    /// Plans one row; a full batch is sent at once.
    pub(super) async fn handle(&mut self, row: Result<Desired, Reject>) -> Result<(), JobError> {
        match row {
            Err(reject) => self.reject(&reject)?,
            Ok(desired) => {
                // An object that this run has made may not be in the list yet.
                if self.ledger.past(&desired.key).is_some() && self.is_missing(&desired) {
                    self.look_up(&desired.key).await?;
                }
                match step(self.kind, desired.clone(), &self.actual) {
                    Step::Reject(reject) => self.reject(&reject)?,
                    Step::Keep { key } => self.keep(&key),
                    change => self.enqueue(desired, change, 0),
                }
            }
        }
        if self.queue.len() >= BATCH {
            self.send_queue().await?;
        }
        Ok(())
    }

    /// Sends what is left and publishes the rejects.
    pub(super) async fn finish(mut self) -> Result<(), JobError> {
        self.send_queue().await?;
        if !self.settled.is_empty() {
            let answers = std::mem::take(&mut self.settled);
            self.context.store.journal_answered(&self.context.run.lease, answers).await?;
        }
        self.show_progress();
        let path = self.rejects.finish().map_err(|error| JobError::of_file(&self.job.rejects, error))?;
        if let Some(path) = &path {
            self.context.watch.event(&Event::RejectsWritten { path: path.clone() });
        }
        self.report.rejects = path;
        self.report.outcome =
            if self.report.rejected + self.report.failed > 0 { Outcome::Partial } else { Outcome::Done };
        Ok(())
    }

    fn is_missing(&self, desired: &Desired) -> bool {
        matches!(step(self.kind, desired.clone(), &self.actual), Step::Create(_))
    }

    async fn look_up(&mut self, key: &str) -> Result<(), JobError> {
        let select: Vec<&str> = self.actual.select().collect();
        let objects = lookup::by_key(self.job, &select, key).await?;
        objects.into_iter().for_each(|object| self.actual.insert(object));
        Ok(())
    }

    fn enqueue(&mut self, desired: Desired, change: Step, sends: u32) {
        let resource = &self.job.resource;
        let (operation, method, url, body) = match change {
            Step::Create(create) => (Operation::Create, Method::POST, resource.clone(), create.attributes),
            Step::Update(update) => {
                let url = format!("{resource}/{}", lookup::percent_encode(&update.id));
                let changes = update.changes.into_iter().map(|(name, change)| (name, change.to)).collect();
                (Operation::Update, Method::PATCH, url, changes)
            }
            Step::Keep { .. } | Step::Reject(_) => return,
        };
        self.queue.push(Write { desired, operation, method, url, body, sends: sends + 1 });
    }

    /// Empties the queue, whatever it takes: a row whose fate is unknown goes in again.
    async fn send_queue(&mut self) -> Result<(), JobError> {
        while !self.queue.is_empty() {
            let rest = self.queue.split_off(self.queue.len().min(BATCH));
            let writes = std::mem::replace(&mut self.queue, rest);
            self.send(writes).await?;
            self.show_progress();
        }
        Ok(())
    }

    async fn send(&mut self, writes: Vec<Write>) -> Result<(), JobError> {
        let (store, lease) = (self.context.store, &self.context.run.lease);
        let sent_at = self.context.clock.now();
        let mut intents = Vec::with_capacity(writes.len());
        for write in &writes {
            intents.push(Intent {
                sequence: self.ledger.next_sequence(),
                key: write.desired.key.clone(),
                operation: write.operation,
                digest: digest(&Value::from(write.body.clone()).to_string()),
                sent_at,
            });
        }
        let sequences: Vec<u64> = intents.iter().map(|intent| intent.sequence).collect();
        store.journal_sent(lease, intents).await?;
        let requests =
            writes.iter().zip(&sequences).map(|(write, sequence)| self.request(write, *sequence)).collect();
        let outcomes = self.job.client.batch(requests).await.map_err(failed)?;

        let is_forbidden = |outcome: &BatchOutcome| {
            outcome.result.as_ref().is_err_and(|error| error.status() == Some(StatusCode::FORBIDDEN))
        };
        // One forbidden row is about that row; when nothing was ever allowed it is about the application.
        let nothing_allowed =
            self.report.created + self.report.updated == 0 && outcomes.iter().all(is_forbidden);
        let mut answers = std::mem::take(&mut self.settled);
        let (mut verdicts, mut stop) = (Vec::new(), None);
        for ((write, sequence), outcome) in writes.into_iter().zip(sequences).zip(outcomes) {
            let verdict = judge(&write, outcome, nothing_allowed);
            if let Some((status, request_id)) = verdict.answer() {
                answers.push(Answer { sequence, status, request_id, answered_at: self.context.clock.now() });
            }
            match verdict {
                Verdict::Stop(error) => stop = stop.or(Some(error)),
                verdict => verdicts.push((write, sequence, verdict)),
            }
        }
        store.journal_answered(lease, answers).await?;
        if let Some(error) = stop {
            return Err(failed(error));
        }
        for (write, sequence, verdict) in verdicts {
            match verdict {
                Verdict::Done { .. } => self.count(write.operation),
                Verdict::Refused(error) => self.refuse(write, &error)?,
                Verdict::Unsettled(error) => self.settle(write, sequence, &error).await?,
                Verdict::Stop(_) => {}
            }
        }
        Ok(())
    }

    fn request(&self, write: &Write, sequence: u64) -> BatchRequest {
        let mut body = write.body.clone();
        if write.operation == Operation::Create && self.kind == Kind::User {
            let password = || users::initial_password(self.context.entropy);
            body.entry("passwordProfile").or_insert_with(password);
        }
        let request =
            BatchRequest::new(sequence.to_string(), write.method.clone(), write.url.as_str()).json(body);
        // The same values twice are the same values; a second create could be a second object.
        if write.operation == Operation::Update { request.idempotent() } else { request }
    }

    /// Looks at the object itself, since the answer does not tell.
    async fn settle(&mut self, write: Write, sequence: u64, error: &webapi::Error) -> Result<(), JobError> {
        self.look_up(&write.desired.key).await?;
        let was_ambiguous = error.is_ambiguous();
        match step(self.kind, write.desired.clone(), &self.actual) {
            Step::Keep { .. } if was_ambiguous || write.sends > 1 => {
                self.settled.push(self.took_effect(sequence, write.operation));
                self.count(write.operation);
            }
            // Somebody else was quicker.
            Step::Keep { .. } => self.report.unchanged += 1,
            Step::Create(_) if !was_ambiguous && write.sends == 1 => self.refuse(write, error)?,
            change @ (Step::Create(_) | Step::Update(_)) if write.sends < MOST_SENDS => {
                let Write { desired, sends, .. } = write;
                self.enqueue(desired, change, sends);
            }
            _ => {
                let reason = format!("it is not known whether this was done: {}", describe(error));
                let Desired { line, key, attributes } = write.desired;
                self.leave_out(&Reject::row(line, reason, Some(&key), attributes))?;
                self.report.failed += 1;
            }
        }
        Ok(())
    }

    /// The directory is as the row says; perhaps because an earlier attempt at this run made it so.
    fn keep(&mut self, key: &str) {
        match self.ledger.past(key) {
            Some(past) => {
                if !past.is_answered {
                    self.settled.push(self.took_effect(past.sequence, past.operation));
                }
                self.count(past.operation);
            }
            None => self.report.unchanged += 1,
        }
    }

    fn took_effect(&self, sequence: u64, operation: Operation) -> Answer {
        let status = match operation {
            Operation::Create => StatusCode::CREATED,
            Operation::Update => StatusCode::NO_CONTENT,
        };
        Answer { sequence, status: status.as_u16(), request_id: None, answered_at: self.context.clock.now() }
    }

    fn count(&mut self, operation: Operation) {
        match operation {
            Operation::Create => self.report.created += 1,
            Operation::Update => self.report.updated += 1,
        }
    }

    fn refuse(&mut self, write: Write, error: &webapi::Error) -> Result<(), JobError> {
        let Desired { line, key, attributes } = write.desired;
        self.reject(&Reject::row(
            line,
            format!("the directory refused it: {}", describe(error)),
            Some(&key),
            attributes,
        ))
    }

    fn reject(&mut self, reject: &Reject) -> Result<(), JobError> {
        self.leave_out(reject)?;
        self.report.rejected += 1;
        Ok(())
    }

    fn leave_out(&mut self, reject: &Reject) -> Result<(), JobError> {
        self.rejects.write(reject).map_err(|error| JobError::of_file(&self.job.rejects, error))?;
        self.context.watch.event(&Event::Reject { line: reject.line, reason: reject.reason.clone() });
        Ok(())
    }

    fn show_progress(&self) {
        let Report { created, updated, unchanged, rejected, failed, .. } = *self.report;
        let done = created + updated + unchanged + rejected + failed;
        self.context.watch.progress(Phase::Apply, done, Some(self.total));
    }
}

/// What an answer means for the row, and for the run.
enum Verdict {
    Done {
        status: u16,
        request_id: Option<String>,
    },
    /// The row cannot be provisioned.
    Refused(webapi::Error),
    /// Only a look at the object tells.
    Unsettled(webapi::Error),
    /// The run cannot go on.
    Stop(webapi::Error),
}

impl Verdict {
    /// What the journal notes: nothing as long as the effect is unknown.
    fn answer(&self) -> Option<(u16, Option<String>)> {
        match self {
            Self::Done { status, request_id } => Some((*status, request_id.clone())),
            Self::Refused(error) | Self::Unsettled(error) | Self::Stop(error) if !error.is_ambiguous() => {
                error.status().map(|status| (status.as_u16(), error.request_id().map(str::to_owned)))
            }
            _ => None,
        }
    }
}

fn judge(write: &Write, outcome: BatchOutcome, nothing_allowed: bool) -> Verdict {
    let error = match outcome.result {
        Ok(response) => {
            let request_id =
                response.headers.get("request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
            return Verdict::Done { status: response.status.as_u16(), request_id };
        }
        Err(error) => error,
    };
    if error.is_ambiguous() {
        return Verdict::Unsettled(error);
    }
    match error.status() {
        _ if error.is_transient() || error.is_token() => Verdict::Stop(error),
        None | Some(StatusCode::UNAUTHORIZED) => Verdict::Stop(error),
        Some(StatusCode::FORBIDDEN) if nothing_allowed => Verdict::Stop(error),
        // Directories say both when an object with this key exists already.
        Some(StatusCode::BAD_REQUEST | StatusCode::CONFLICT) if write.operation == Operation::Create => {
            Verdict::Unsettled(error)
        }
        Some(_) => Verdict::Refused(error),
    }
}

fn failed(error: webapi::Error) -> JobError {
    JobError::of_call("writing to the directory", error)
}

/// The server's own words, as far as it found any.
fn describe(error: &webapi::Error) -> String {
    let status = error.status().map(|status| status.as_u16().to_string());
    let words = [status.as_deref(), error.code()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    match error.message() {
        Some(message) if words.is_empty() => message.to_owned(),
        Some(message) => format!("{words}: {message}"),
        None if words.is_empty() => error.to_string(),
        None => words,
    }
}
