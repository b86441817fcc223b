//! Runs jobs at their times.
//!
//! The next run of a job is a row before it is due, so that a machine that was off at that time finds it. However many
//! times have passed, there is one such row: they melt into one run. A job never overlaps itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::JobError;
use crate::job::Job;
use crate::observer::{Event, Observer};
use crate::schedule::Schedule;
use crate::store::{Claimed, Pending, StoreError};

/// The longest sleep: the wall clock may be set while it lasts.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The pause when the job runs elsewhere or the store is away.
const BUSY: Duration = Duration::from_secs(15);

impl Engine {
    /// Runs every job that has a schedule until `drain` is cancelled. Then no run begins any more, and those under way
    /// stop at the next point from which they can go on; `stop` ends them at once, as a kill would. Failures of one
    /// job, panics included, are told to the observer and never end the others.
    pub async fn run_schedules(
        &self,
        jobs: Vec<Job>,
        observer: Arc<dyn Observer>,
        drain: CancellationToken,
        stop: CancellationToken,
    ) {
        let mut loops = JoinSet::new();
        for job in jobs {
            let Some(schedule) = job.schedule.clone() else { continue };
            let scheduler =
                Scheduler { engine: self.clone(), observer: Arc::clone(&observer), drain: drain.clone() };
            loops.spawn(async move { scheduler.run(&job, &schedule).await });
        }
        let all = async { while loops.join_next().await.is_some() {} };
        tokio::select! {
            () = all => {}
            () = stop.cancelled() => {}
        }
        loops.shutdown().await;
    }
}

struct Scheduler {
    engine: Engine,
    observer: Arc<dyn Observer>,
    drain: CancellationToken,
}

impl Scheduler {
    async fn run(&self, job: &Job, schedule: &Schedule) {
        // A schedule that was changed while nobody looked must not fire at its old times.
        let mut is_planned = false;
        while !self.drain.is_cancelled() {
            let pause = match self.turn(job, schedule, &mut is_planned).await {
                Ok(pause) => pause,
                Err(error) => {
                    self.tell_failure(job, &error);
                    Some(BUSY)
                }
            };
            if let Some(pause) = pause {
                tokio::select! {
                    () = self.engine.clock.sleep(pause) => {}
                    () = self.drain.cancelled() => {}
                }
            }
        }
    }

    /// Does what is due, or says how long there is nothing to do.
    async fn turn(
        &self,
        job: &Job,
        schedule: &Schedule,
        is_planned: &mut bool,
    ) -> Result<Option<Duration>, JobError> {
        let key = job.key();
        let now = self.engine.clock.now();
        let pending = self.engine.store.pending(&key).await?;
        let Some(pending) = pending.filter(|pending| *is_planned || pending.due <= now) else {
            *is_planned = true;
            // Without a next time there is nothing to do for ever, unless the clock is wrong.
            return Ok((!self.plan_next(job, schedule, now).await?).then_some(LOOK_AGAIN));
        };
        if let Ok(wait) = pending.ready_at.duration_since(now)
            && !wait.is_zero()
        {
            return Ok(Some(wait.min(LOOK_AGAIN)));
        }
        self.begin(job, schedule, &pending, is_planned).await
    }

    async fn begin(
        &self,
        job: &Job,
        schedule: &Schedule,
        pending: &Pending,
        is_planned: &mut bool,
    ) -> Result<Option<Duration>, JobError> {
        let engine = &self.engine;
        let _hold = match engine.store.hold(&job.key()).await {
            Ok(hold) => hold,
            Err(error) if error.is_held() => return Ok(Some(BUSY)),
            Err(error) => return Err(error.into()),
        };
        match engine.store.claim(&pending.run_id, engine.claim()).await? {
            Claimed::Taken => {}
            Claimed::Parked => {
                self.observer.event(&job.name, &Event::Park { run_id: pending.run_id.clone() });
            }
            Claimed::Run(run) => {
                // Before the work, so that the time after it is known even if this process dies in it.
                self.plan_next(job, schedule, engine.clock.now()).await?;
                *is_planned = true;
                // The observer was told; the next turn sees what is left to do.
                let _ = engine.attempt(job, &run, &*self.observer, &self.drain).await;
            }
        }
        Ok(None)
    }

    /// Makes the row of the next time, if there is one.
    async fn plan_next(&self, job: &Job, schedule: &Schedule, now: SystemTime) -> Result<bool, StoreError> {
        let Some(due) = schedule.next_after(now) else { return Ok(false) };
        self.engine.store.schedule(&job.key(), &self.engine.entropy.uuid(), due).await?;
        Ok(true)
    }

    fn tell_failure(&self, job: &Job, error: &JobError) {
        tracing::warn!(job = job.name, error = error.chain(), "the schedule could not go on");
        self.observer.event(&job.name, &Event::Fail { error: error.chain(), will_retry: true });
    }
}
