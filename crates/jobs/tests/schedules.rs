//! Jobs at their times, on a clock that the test moves.

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Directory, engine_at};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use unattended_core::{Clock as _, ManualClock};
use unattended_jobs::store::{JobKey, RunRecord};
use unattended_jobs::{Event, Job, Observer, Report, Schedule, SqliteStore, Store as _};

/// Half past an hour.
const HALF_PAST: u64 = 1_790_001_000;
const LEASE_RENEWAL: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Log(Mutex<Vec<(String, Event)>>);

impl Observer for Log {
    fn event(&self, job: &str, event: &Event) {
        self.0.lock().unwrap().push((job.to_owned(), event.clone()));
    }
}

impl Log {
    fn reports(&self) -> Vec<Report> {
        let report = |event: &(String, Event)| match &event.1 {
            Event::End(report) => Some((**report).clone()),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(report).collect()
    }

    fn failures(&self) -> Vec<(String, String)> {
        let failure = |event: &(String, Event)| match &event.1 {
            Event::Fail { error, .. } => Some((event.0.clone(), error.clone())),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(failure).collect()
    }
}

/// A daemon's scheduler, and the hands that move it.
struct Daemon {
    clock: ManualClock,
    log: Arc<Log>,
    drain: CancellationToken,
    stop: CancellationToken,
    task: JoinHandle<()>,
    jobs: usize,
}

impl Daemon {
    fn start(directory: &Path, clock: &ManualClock, jobs: Vec<Job>) -> Self {
        let (log, drain, stop) = (Arc::<Log>::default(), CancellationToken::new(), CancellationToken::new());
        let (engine, observer) = (engine_at(directory, clock), Arc::clone(&log));
        let (drain_of_task, stop_of_task) = (drain.clone(), stop.clone());
        let count = jobs.len();
        let task = tokio::spawn(async move {
            engine.run_schedules(jobs, observer, drain_of_task, stop_of_task).await;
        });
        Self { clock: clock.clone(), log, drain, stop, task, jobs: count }
    }

    /// Lets the clock run and everybody do what is due.
    async fn pass(&self, duration: Duration) {
        let mut left = duration;
        while !left.is_zero() {
            let step = left.min(MINUTE);
            let before = idle(&self.clock);
            self.clock.advance(step);
            until(|| idle(&self.clock) >= before + self.jobs).await;
            left -= step;
        }
    }

    async fn drain(self) -> Arc<Log> {
        self.drain.cancel();
        self.task.await.unwrap();
        self.log
    }
}

/// How often a job's loop has gone to sleep with nothing to do. A step wakes each once: none sleeps longer.
fn idle(clock: &ManualClock) -> usize {
    clock.slept().iter().filter(|slept| **slept != LEASE_RENEWAL).count()
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

fn every_hour(mut job: Job) -> Job {
    job.schedule = Some(Schedule::parse("0 * * * *", Some("UTC")).unwrap());
    job
}

async fn history(directory: &Path, job: &str) -> Vec<RunRecord> {
    let store = SqliteStore::open(&directory.join("state/state.db")).unwrap();
    let key = JobKey { tenant: "contoso.com".to_owned(), job: job.to_owned() };
    store.history(&key, 100).await.unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_job_runs_at_its_times() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let server = Directory::with_users(10, 3);
    let daemon = Daemon::start(directory.path(), &clock, vec![every_hour(server.export(directory.path()))]);
    until(|| idle(&clock) >= 1).await;
    daemon.pass(MINUTE * 29).await;
    assert_eq!(daemon.log.reports().len(), 0);
    daemon.pass(MINUTE * 121).await;
    let log = daemon.drain().await;
    assert_eq!(log.reports().len(), 3);
    let due: Vec<SystemTime> =
        history(directory.path(), "users-export").await.iter().map(|run| run.due).collect();
    let hour = |number: u64| at(HALF_PAST + 1_800 + 3_600 * number);
    assert_eq!(due, [hour(3), hour(2), hour(1), hour(0)], "the last is the next one");
}

// EN-6
#[tokio::test]
async fn three_daemons_on_one_state_run_a_job_once_at_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let server = Directory::with_users(10, 3);
    let start = || Daemon::start(directory.path(), &clock, vec![every_hour(server.export(directory.path()))]);
    let daemons = [start(), start(), start()];
    until(|| idle(&clock) >= 3).await;
    for _ in 0..150 {
        let before = idle(&clock);
        clock.advance(MINUTE);
        until(|| idle(&clock) >= before + 3).await;
    }
    let mut reports = 0;
    for daemon in daemons {
        reports += daemon.drain().await.reports().len();
    }
    assert_eq!(reports, 3);
    assert_eq!(
        history(directory.path(), "users-export").await.iter().filter(|run| run.state == "done").count(),
        3
    );
}

// EN-7
#[tokio::test]
async fn however_many_times_were_missed_they_are_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let server = Directory::with_users(10, 3);
    let start = || Daemon::start(directory.path(), &clock, vec![every_hour(server.export(directory.path()))]);
    let daemon = start();
    until(|| idle(&clock) >= 1).await;
    assert_eq!(daemon.drain().await.reports().len(), 0);

    clock.advance(MINUTE * 60 * 10);
    let before = idle(&clock);
    let daemon = start();
    until(|| idle(&clock) > before).await;
    daemon.pass(MINUTE * 20).await;
    assert_eq!(daemon.drain().await.reports().len(), 1);
}

// EN-4
#[tokio::test]
async fn a_job_that_panics_or_fails_does_not_stop_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let (broken, server) = (Directory::new(10), Directory::with_users(10, 3));
    broken.panic(true);
    let mut panicking = every_hour(broken.export(directory.path()));
    panicking.name = "panicking".to_owned();
    // Its source is not there.
    let failing = every_hour(server.provision(directory.path()));
    let jobs = vec![panicking, failing, every_hour(server.export(directory.path()))];
    let daemon = Daemon::start(directory.path(), &clock, jobs);
    until(|| idle(&clock) >= 3).await;
    daemon.pass(MINUTE * 100).await;
    let log = daemon.drain().await;
    assert_eq!(
        log.reports().iter().map(|report| report.job.as_str()).collect::<Vec<_>>(),
        ["users-export"; 2]
    );
    let mut failures = log.failures();
    failures.sort();
    assert_eq!(
        failures.iter().map(|(job, _)| job.as_str()).collect::<Vec<_>>(),
        ["panicking", "panicking", "people", "people"]
    );
    assert_eq!(failures[0].1, "the job panicked: the directory of this test panics");
    assert_eq!(
        history(directory.path(), "panicking").await.iter().filter(|run| run.state == "failed").count(),
        2
    );
}

// EN-13
#[tokio::test]
async fn a_clock_set_back_or_forth_by_an_hour_makes_no_storm_and_loses_no_run() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let server = Directory::with_users(10, 3);
    let daemon = Daemon::start(directory.path(), &clock, vec![every_hour(server.export(directory.path()))]);
    until(|| idle(&clock) >= 1).await;
    daemon.pass(MINUTE * 35).await;
    assert_eq!(daemon.log.reports().len(), 1);

    clock.set_wall(clock.now() - MINUTE * 60);
    daemon.pass(MINUTE * 59).await;
    assert_eq!(daemon.log.reports().len(), 1, "the same hour strikes a second time");
    clock.set_wall(clock.now() + MINUTE * 60);
    daemon.pass(MINUTE).await;
    assert_eq!(daemon.log.reports().len(), 2);
    daemon.pass(MINUTE * 10).await;
    assert_eq!(daemon.drain().await.reports().len(), 2);
}

// EN-12
#[tokio::test]
async fn a_stopped_daemon_gives_its_run_back_and_the_next_one_goes_on() {
    for hard in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(HALF_PAST);
        let server = Directory::with_users(1, 3);
        let start =
            || Daemon::start(directory.path(), &clock, vec![every_hour(server.export(directory.path()))]);
        let daemon = start();
        until(|| idle(&clock) >= 1).await;
        server.fail(2, support::Fault::DieBefore);
        clock.advance(MINUTE * 31);
        server.died.notified().await;
        if hard {
            daemon.stop.cancel();
            daemon.task.await.unwrap();
        } else {
            let reports = daemon.drain().await.reports();
            assert_eq!(serde_json::json!(reports[0])["outcome"], "interrupted");
        }
        let state = &history(directory.path(), "users-export").await[1];
        let expected = if hard { ("running", 1) } else { ("interrupted", 0) };
        assert_eq!((state.state.as_str(), state.attempts), expected);

        let before = idle(&clock);
        let daemon = start();
        until(|| idle(&clock) > before).await;
        daemon.pass(MINUTE * 2).await;
        let reports = daemon.drain().await.reports();
        assert_eq!((reports.len(), reports[0].resumed, reports[0].items), (1, true, 3));
        assert_eq!(server.calls(), 4);
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_after_a_pause_and_not_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(HALF_PAST);
    let server = Directory::with_users(1, 3);
    server.refuse_all(Some((503, "serviceNotAvailable")));
    let mut job = server.export(directory.path());
    job.schedule = Some(Schedule::parse("@daily", Some("UTC")).unwrap());
    let daemon = Daemon::start(directory.path(), &clock, vec![job]);
    until(|| idle(&clock) >= 1).await;
    daemon.pass(MINUTE * 60 * 24).await;
    let log = daemon.drain().await;
    assert_eq!(log.failures().len(), 5);
    assert!(log.0.lock().unwrap().iter().any(|(_, event)| matches!(event, Event::Park { .. })));
    let states: Vec<String> =
        history(directory.path(), "users-export").await.into_iter().map(|run| run.state).collect();
    assert_eq!(states, ["due", "parked"]);
}
