//! Runs jobs: one claim, one attempt, one end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use unattended_core::{Clock, Entropy};

use crate::error::JobError;
use crate::job::{Job, Work};
use crate::observer::{Event, Observer};
use crate::plan::Plan;
use crate::report::Report;
use crate::run::{Ending, RunContext, Watch};
use crate::store::{Claim, Claimed, End, Run, Store, StoreError};
use crate::{export, provision};

/// How long a silent owner keeps a run.
const LEASE: Duration = Duration::from_secs(60);
/// After how many attempts without progress a run is put aside.
const ATTEMPTS: u32 = 5;
/// The pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Runs jobs against one store. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// A random name of this process's life.
    owner: Arc<str>,
}

impl Engine {
    /// An engine with a name of its own.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let owner = entropy.uuid().into();
        Self { store, clock, entropy, owner }
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Runs a job now, and first of all the run of it that was killed or stopped, from where that was. Cancelling
    /// `stop` ends it at the next point from which it can go on, with [`Outcome::Interrupted`]. Dropping the future
    /// is what a kill is.
    ///
    /// # Errors
    /// Another process runs the job ([`JobError::is_already_running`]); the source, the store, the API or a file
    /// fails. After a failure that passes by itself the run is kept, to go on later.
    ///
    /// [`Outcome::Interrupted`]: crate::Outcome::Interrupted
    pub async fn run_now(
        &self,
        job: &Job,
        observer: &dyn Observer,
        stop: CancellationToken,
    ) -> Result<Report, JobError> {
        let key = job.key();
        let _hold = self.store.hold(&key).await?;
        match self.store.begin(&key, &self.entropy.uuid(), self.claim()).await? {
            Claimed::Run(run) => self.attempt(job, &run, observer, &stop).await,
            // Only a store that is shared beyond the hold comes here.
            Claimed::Taken | Claimed::Parked => Err(StoreError::held(&job.name, None).into()),
        }
    }

    /// What running a job now would do. Reads only.
    ///
    /// # Errors
    /// As [`run_now`](Self::run_now); an export has no plan.
    pub async fn plan(&self, job: &Job) -> Result<Plan, JobError> {
        match &job.work {
            Work::Provision(provision) => provision::plan(provision).await,
            Work::Export(_) => Err(JobError::no_plan()),
        }
    }

    pub(crate) fn claim(&self) -> Claim {
        Claim {
            owner: self.owner.to_string(),
            now: self.clock.now(),
            lease: LEASE,
            held: true,
            attempts: ATTEMPTS,
        }
    }

    /// One attempt at a claimed run, up to the row that says how it ended.
    pub(crate) async fn attempt(
        &self,
        job: &Job,
        run: &Run,
        observer: &dyn Observer,
        stop: &CancellationToken,
    ) -> Result<Report, JobError> {
        let begin = self.clock.elapsed();
        let watch = Watch { job: &job.name, observer, stop };
        watch.event(&Event::Begin { run_id: run.lease.run_id.clone(), resumed: run.resumed });
        let mut report = Report {
            job: job.name.clone(),
            run_id: run.lease.run_id.clone(),
            resumed: run.resumed,
            ..Report::default()
        };
        let ended = tokio::select! {
            ended = self.work(job, run, watch, &mut report) => ended,
            // What is done without a lease is done against whoever has it.
            lost = self.keep_lease(run) => Err(lost.into()),
        };
        let elapsed = self.clock.elapsed().saturating_sub(begin);
        report.duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        match ended {
            Ok(ending) => {
                self.note_ending(run, ending, &report).await?;
                watch.event(&Event::End(Box::new(report.clone())));
                Ok(report)
            }
            Err(error) => {
                if let Err(unnoted) = self.note_failure(run, &error).await {
                    tracing::warn!(job = job.name, error = %unnoted, "the failure could not be noted");
                }
                let will_retry = error.is_transient() && job.schedule.is_some();
                watch.event(&Event::Fail { error: error.chain(), will_retry });
                Err(error)
            }
        }
    }

    async fn work(
        &self,
        job: &Job,
        run: &Run,
        watch: Watch<'_>,
        report: &mut Report,
    ) -> Result<Ending, JobError> {
        let key = job.key();
        let context = RunContext {
            store: &*self.store,
            clock: &*self.clock,
            entropy: &*self.entropy,
            key: &key,
            run,
            watch,
        };
        let work = async {
            match &job.work {
                Work::Provision(provision) => provision::run(provision, &context, report).await,
                Work::Export(export) => export::run(export, &context, report).await,
            }
        };
        // A job that panics is broken; the others are not. What it leaves half done is in the store, not in memory.
        AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|payload| Err(JobError::of_panic(&*payload)))
    }

    /// Returns when the lease is lost, and never otherwise.
    async fn keep_lease(&self, run: &Run) -> StoreError {
        loop {
            self.clock.sleep(LEASE / 3).await;
            let until = self.clock.now() + LEASE;
            match self.store.renew(&run.lease, until).await {
                Err(error) if error.is_stale() => return error,
                // The hold keeps the others away; the next write shows whether the store is back.
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
                Ok(()) => {}
            }
        }
    }

    async fn note_ending(&self, run: &Run, ending: Ending, report: &Report) -> Result<(), StoreError> {
        match ending {
            Ending::Interrupted => self.store.give_back(&run.lease, None, None).await,
            Ending::Complete(memory) => {
                let text = serde_json::json!(report).to_string();
                self.store.finish(&run.lease, End::Done, text, self.clock.now(), memory).await
            }
        }
    }

    async fn note_failure(&self, run: &Run, error: &JobError) -> Result<(), StoreError> {
        if error.is_superseded() {
            return Ok(());
        }
        let now = self.clock.now();
        let reason = serde_json::json!({ "error": error.chain() }).to_string();
        if error.is_transient() {
            let pause = now + self.pause(run.attempts);
            let not_before = error.retry_at().map_or(pause, |asked| asked.max(pause));
            return self.store.give_back(&run.lease, Some(not_before), Some(reason)).await;
        }
        self.store.finish(&run.lease, End::Failed, reason, now, None).await
    }

    /// Between half and all of a pause that doubles with each attempt.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10));
        doubled.min(LONGEST_PAUSE).mul_f64(0.5 + self.entropy.unit() / 2.0)
    }
}
