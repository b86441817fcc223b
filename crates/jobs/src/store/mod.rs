//! Everything of a job that must survive a crash, behind one small trait.
//!
//! A run is a row, unique by (tenant, job, due). Whoever claims it gets a *fence*, a number that grows with every
//! claim; each later write carries it and is refused once somebody else has claimed the run. That is why a process
//! that was suspended for an hour cannot overwrite what its successor did.
//!
//! Leases say when a silent owner counts as gone. A [`Hold`] says it at once: it is tied to the life of the process,
//! so that whoever gets it knows that no other process runs this job against this store.

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod error;
mod hold;
mod sqlite;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use unattended_core::BoxFuture;

pub use self::error::StoreError;
pub use self::hold::Hold;
pub use self::sqlite::SqliteStore;

/// Runs, checkpoints and the journal of writes.
///
/// Every method is one transaction and may be cancelled: dropping the future leaves either all of it or nothing, but
/// not the knowledge of which. Times are kept in milliseconds.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Keeps every other process from running this job against this store, until the hold is dropped or the process
    /// ends, however it ends.
    ///
    /// # Errors
    /// [`StoreError::is_held`] when another holder lives.
    fn hold(&self, job: &JobKey) -> BoxFuture<'_, Result<Hold, StoreError>>;

    /// Makes the run that is due at `due`, and forgets those of later times that nobody has started: the schedule may
    /// have changed. The same time twice is one run.
    fn schedule(&self, job: &JobKey, run_id: &str, due: SystemTime) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The run to do next: an unfinished one before those that are due, the oldest first.
    fn pending(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<Pending>, StoreError>>;

    /// Claims a run: lease, fence and attempt in one statement. A run of the same job that is leased to somebody else
    /// stands in the way, unless the claimant holds the job ([`Claim::held`]).
    fn claim(&self, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>>;

    /// Claims the unfinished run of a job or, if there is none, makes `run_id` at `claim.now` and claims that. Never
    /// parks: a human decided to try.
    fn begin(&self, job: &JobKey, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>>;

    /// Moves the end of the lease to `until`.
    fn renew(&self, lease: &Lease, until: SystemTime) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns an unfinished run, to be resumed after `not_before`. `reason` is the fault that will pass, as JSON;
    /// without one the run stopped because it was asked to, and the attempt is taken back.
    fn give_back(
        &self,
        lease: &Lease,
        not_before: Option<SystemTime>,
        reason: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Ends a run with its report, clears the job's checkpoint, and replaces the job's memory unless that is `None`,
    /// in one transaction.
    fn finish(
        &self,
        lease: &Lease,
        end: End,
        report: String,
        now: SystemTime,
        memory: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// What the job remembers from run to run, as JSON: the link to later changes, for example.
    fn memory(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>>;

    /// Where the job's work stands, as JSON.
    fn checkpoint(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>>;

    /// Replaces the checkpoint, which is progress and makes earlier attempts count no more; `None` clears it, which is
    /// not.
    fn save_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Records writes that are about to be sent, all or none.
    fn journal_sent(&self, lease: &Lease, writes: Vec<Intent>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Records what became of them. One that took effect is progress and makes earlier attempts count no more.
    fn journal_answered(&self, lease: &Lease, answers: Vec<Answer>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The writes of a run in the order in which they were sent.
    fn journal(&self, run_id: &str) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>>;

    /// The latest runs of a job, the newest first.
    fn history(&self, job: &JobKey, limit: u32) -> BoxFuture<'_, Result<Vec<RunRecord>, StoreError>>;
}

/// What tells jobs apart.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JobKey {
    /// The tenant (or issuer) the job acts in.
    pub tenant: String,
    /// The job's name.
    pub job: String,
}

/// How a run is claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// A random name of this process's life; never a host name, which the next process would share.
    pub owner: String,
    /// Wall time.
    pub now: SystemTime,
    /// How long the claim lasts unless it is renewed.
    pub lease: Duration,
    /// Whether the claimant has the [`Hold`] of this job, so that any unfinished run is nobody's.
    pub held: bool,
    /// After how many claims without progress the run is parked.
    pub attempts: u32,
}

/// What came of a claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claimed {
    /// It is the caller's.
    Run(Run),
    /// Another owner has it, or another run of the same job, or it has ended.
    Taken,
    /// It was tried too often without progress and is put aside, with its report.
    Parked,
}

/// A claimed run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The right to write.
    pub lease: Lease,
    /// When it was due.
    pub due: SystemTime,
    /// The attempts since the last progress, this one included.
    pub attempts: u32,
    /// Whether somebody had begun it before.
    pub resumed: bool,
}

/// The right to write about a run, until somebody else claims it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The run.
    pub run_id: String,
    /// The number of the claim.
    pub fence: i64,
}

/// A run that waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pending {
    /// The run.
    pub run_id: String,
    /// When it may start: its due time, the pause after a failure, or the end of a lease that is not renewed.
    pub ready_at: SystemTime,
    /// When it was due.
    pub due: SystemTime,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It did its work, perhaps with rejected rows.
    Done,
    /// It cannot be done.
    Failed,
}

/// A write about to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Intent {
    /// Its place in the run, counted from 1.
    pub sequence: u64,
    /// The key of the object, as the source spells it.
    pub key: String,
    /// What it does.
    pub operation: Operation,
    /// A digest of the body without secrets.
    pub digest: String,
    /// Wall time.
    pub sent_at: SystemTime,
}

/// What a write does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
}

/// What became of a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Which.
    pub sequence: u64,
    /// The HTTP status; of a write whose answer was lost, the one that a later look at the object stands for.
    pub status: u16,
    /// The server's request id.
    pub request_id: Option<String>,
    /// Wall time.
    pub answered_at: SystemTime,
}

impl Answer {
    /// Whether the write took effect.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A journalled write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JournalEntry {
    /// What was sent.
    pub intent: Intent,
    /// What came back; `None` when nobody was there to hear it.
    pub answer: Option<Answer>,
}

/// A run as the history shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunRecord {
    /// The run.
    pub run_id: String,
    /// `due`, `running`, `interrupted`, `done`, `failed` or `parked`.
    pub state: String,
    /// When it was due.
    pub due: SystemTime,
    /// When the latest attempt at it began; not known of runs that an older version began.
    pub began_at: Option<SystemTime>,
    /// Until when its owner counts as alive; of a running one that is not renewed, the owner is gone.
    pub lease_until: Option<SystemTime>,
    /// Before when an interrupted run does not go on by itself.
    pub not_before: Option<SystemTime>,
    /// When it ended.
    pub finished_at: Option<SystemTime>,
    /// The attempts since the last progress.
    pub attempts: u32,
    /// Whether an attempt went on where an earlier one had been killed or stopped.
    pub resumed: bool,
    /// The report as JSON, or the reason of the failure or of the interruption.
    pub report: Option<String>,
}
