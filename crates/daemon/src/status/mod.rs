//! How the jobs do: "did it work last night?"
//!
//! Read from the configuration and the history of runs, without building anything: a daemon that cannot start because
//! its credential has ended is the very one that somebody asks about. Nothing is written, and a state that is not there
//! yet is not made.

mod application;
mod job;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use jiff::Timestamp;
use unattended_console::{RunStatus, SourceError, Status, StatusSource};
use unattended_core::BoxFuture;
use unattended_jobs::store::{JobKey, RunRecord};
use unattended_jobs::{SqliteStore, Store as _};

use crate::assemble;
use crate::config::Config;
use crate::error::{BuildError, ExitClass};
use crate::ports::Ports;

/// Enough runs to find the last one that ended beside those that are planned or under way.
const LATEST: u32 = 20;

/// Reads how the jobs of a configuration do.
pub struct StatusReader {
    config: Config,
    ports: Ports,
    store: OnceLock<Arc<SqliteStore>>,
}

impl StatusReader {
    /// A reader; nothing is opened before it is asked.
    #[must_use]
    pub fn new(config: Config, ports: Ports) -> Self {
        Self { config, ports, store: OnceLock::new() }
    }

    /// How everything does now.
    ///
    /// # Errors
    /// The state is there and cannot be read.
    pub async fn status(&self) -> Result<Status, BuildError> {
        let now = self.ports.clock.now();
        let mut jobs = Vec::new();
        for (name, configured) in &self.config.jobs {
            let history = self.history(name, LATEST).await?;
            jobs.push(job::status(name, configured, &history, now));
        }
        Ok(Status {
            at: timestamp(now),
            succeeded: jobs.iter().all(|job| job.verdict.is_good()),
            application: application::status(&self.config, &self.ports),
            jobs,
        })
    }

    /// The latest runs of a job, the newest first, at most `limit`.
    ///
    /// # Errors
    /// The state is there and cannot be read.
    pub async fn runs(&self, name: &str, limit: u32) -> Result<Vec<RunStatus>, BuildError> {
        let Some(configured) = self.config.jobs.get(name) else { return Ok(Vec::new()) };
        let now = self.ports.clock.now();
        let history = self.history(name, limit).await?;
        Ok(history.iter().map(|record| job::run(configured, record, now)).collect())
    }

    async fn history(&self, job: &str, limit: u32) -> Result<Vec<RunRecord>, BuildError> {
        let Some(store) = self.store()? else { return Ok(Vec::new()) };
        let tenant = assemble::tenant(&self.config.application);
        let key = JobKey { tenant, job: job.to_owned() };
        store
            .history(&key, limit)
            .await
            .map_err(|error| BuildError::new(ExitClass::Failed, "the state cannot be read").caused_by(error))
    }

    /// The state, if there is one.
    fn store(&self) -> Result<Option<&Arc<SqliteStore>>, BuildError> {
        if let Some(store) = self.store.get() {
            return Ok(Some(store));
        }
        let file = assemble::state_file(&self.config.application);
        match file.try_exists() {
            Ok(false) => Ok(None),
            // What cannot be looked at is told by whoever tries to open it.
            Ok(true) | Err(_) => {
                let opened = assemble::store(&file)?;
                Ok(Some(self.store.get_or_init(|| Arc::new(opened))))
            }
        }
    }
}

impl StatusSource for StatusReader {
    fn status(&self) -> BoxFuture<'_, Result<Status, SourceError>> {
        Box::pin(async { Ok(Self::status(self).await?) })
    }

    fn runs(&self, job: &str, limit: u32) -> BoxFuture<'_, Result<Vec<RunStatus>, SourceError>> {
        let job = job.to_owned();
        Box::pin(async move { Ok(Self::runs(self, &job, limit).await?) })
    }
}

impl fmt::Debug for StatusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusReader").field("config", &self.config.file).finish_non_exhaustive()
    }
}

/// A time on the calendar; one beyond it counts as its begin, for want of a better.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}
