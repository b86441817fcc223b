//! Runs the schedules until somebody asks to stop.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tracing::{info, warn};
use unattended_identity::Freshness;
use unattended_jobs::Observer;

use crate::build::Daemon;
use crate::error::{BuildError, ExitClass};
use crate::service_manager::{State, tell};
use crate::signals::Shutdown;

/// While the authority cannot be reached: often enough to start soon after it can, seldom enough not to press it.
const RETRY: Duration = Duration::from_secs(15);

/// Runs every job that has a schedule, until `shutdown` is asked for.
///
/// The service counts as ready when a token of each API that the jobs call was acquired, so that a mistake in
/// credential or consent is seen at the start and not at two in the morning. An authority that cannot be reached is
/// waited for. On `drain` no run begins and the running ones stop at their next checkpoint; on `stop` it ends at
/// once, and the next start takes the runs up again.
///
/// # Errors
/// No job has a schedule, the state cannot be opened, or a token is refused.
pub async fn run_scheduled(
    daemon: &Daemon,
    observer: Arc<dyn Observer>,
    shutdown: &Shutdown,
) -> Result<(), BuildError> {
    let mut jobs = daemon.jobs()?;
    jobs.retain(|job| job.schedule.is_some());
    if jobs.is_empty() {
        return Err(BuildError::new(ExitClass::Configuration, "no job has a schedule")
            .mended_by("add `schedule = \"0 2 * * *\"` to a job, or run one by name: `unattended run JOB`"));
    }
    let engine = daemon.engine()?;
    if !first_tokens(daemon, shutdown).await? {
        tell(&[State::Stopping]);
        return Ok(());
    }

    let status = format!("{} on schedule", counted(jobs.len()));
    info!(jobs = jobs.len(), "ready");
    tell(&[State::Ready, State::Status(&status)]);

    let schedules =
        Box::pin(engine.run_schedules(jobs, observer, shutdown.drain.clone(), shutdown.stop.clone()));
    // The request is looked at first: idle schedules end in the same moment.
    match select(Box::pin(shutdown.drain.cancelled()), schedules).await {
        Either::Right(((), _)) => {}
        Either::Left(((), schedules)) => {
            info!("draining");
            tell(&[State::Stopping, State::Status("draining: runs stop at their next checkpoint")]);
            schedules.await;
        }
    }
    daemon.log_metrics();
    info!("stopped");
    Ok(())
}

/// Acquires one token for each API that a scheduled job calls. `false` when asked to stop meanwhile.
async fn first_tokens(daemon: &Daemon, shutdown: &Shutdown) -> Result<bool, BuildError> {
    let mut apis: Vec<&str> = daemon
        .config()
        .jobs
        .values()
        .filter(|job| job.schedule.is_some())
        .map(|job| job.work.api())
        .collect();
    apis.sort_unstable();
    apis.dedup();
    for api in apis {
        let tokens = daemon.scoped_token(api)?;
        loop {
            let acquire = Box::pin(tokens.acquire(Freshness::Cached));
            let Either::Left((outcome, _)) = select(acquire, Box::pin(shutdown.drain.cancelled())).await
            else {
                return Ok(false);
            };
            match outcome {
                Ok(_) => break,
                Err(error) if error.is_transient() => {
                    let clock = &daemon.ports().clock;
                    let asked = error.retry_at().and_then(|at| at.duration_since(clock.now()).ok());
                    warn!(api, %error, "no token yet, trying again");
                    tell(&[State::Status(&format!("waiting for a token for {api}: {error}"))]);
                    let wait = clock.sleep(asked.unwrap_or_default().max(RETRY));
                    if let Either::Right(_) = select(wait, Box::pin(shutdown.drain.cancelled())).await {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(BuildError::of_token(api, error)),
            }
        }
    }
    Ok(true)
}

fn counted(jobs: usize) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}
