//! What the history of a job says about it.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use unattended_console::{Counts, JobStatus, RunState, RunStatus, ScheduleStatus, Verdict, words};
use unattended_jobs::Schedule;
use unattended_jobs::store::RunRecord;

use super::timestamp;
use crate::config::{Job, Work};

/// How late a run may begin before it counts as missed: a machine may start, and a daemon look again after a minute.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// How a job does, by its latest runs, the newest first.
pub(super) fn status(name: &str, job: &Job, history: &[RunRecord], now: SystemTime) -> JobStatus {
    let runs: Vec<RunStatus> = history.iter().map(|record| run(job, record, now)).collect();
    let of = |state: RunState| runs.iter().find(|run| run.state == state).cloned();
    let running = of(RunState::Running);
    // No run begins before an unfinished one has ended, so that one is the last. The due time alone does not tell
    // which is: a run may have begun long after it.
    let last = of(RunState::Killed).or_else(|| of(RunState::Interrupted)).or_else(|| {
        runs.iter().filter(|run| run.ended_at.is_some()).max_by_key(|run| (run.ended_at, run.due_at)).cloned()
    });
    let planned = history.iter().find(|record| record.state == "due");
    let schedule = job.schedule.as_ref();
    let missed = schedule.and_then(|schedule| missed(schedule, planned, last.as_ref(), now));
    let missed = missed.filter(|_| running.is_none());
    let verdict = match &last {
        Some(run) if run.state != RunState::Done => Verdict::Failed,
        _ if missed.is_some() => Verdict::Overdue,
        Some(_) => Verdict::Succeeded,
        None if schedule.is_some() && planned.is_none() && running.is_none() => Verdict::Unplanned,
        None => Verdict::Waiting,
    };
    let goes_on = last.as_ref().and_then(|run| run.goes_on_at).filter(|at| *at > timestamp(now));
    JobStatus {
        name: name.to_owned(),
        work: work(&job.work),
        schedule: schedule.map(|schedule| ScheduleStatus {
            cron: schedule.as_str().to_owned(),
            words: in_words(schedule),
            time_zone: schedule.time_zone().map(str::to_owned),
        }),
        verdict,
        next_at: goes_on.or_else(|| schedule?.next_after(now).map(timestamp)),
        overdue_since: missed.map(timestamp),
        running,
        last,
    }
}

/// One run.
pub(super) fn run(job: &Job, record: &RunRecord, now: SystemTime) -> RunStatus {
    let told = Told::read(record.report.as_deref());
    let state = match record.state.as_str() {
        "due" => RunState::Due,
        "running" if record.lease_until.is_some_and(|until| until > now) => RunState::Running,
        "running" => RunState::Killed,
        "interrupted" => RunState::Interrupted,
        "done" if told.outcome.as_deref() == Some("partial") => RunState::Partial,
        "done" => RunState::Done,
        "parked" => RunState::Parked,
        _ => RunState::Failed,
    };
    let is_complete = matches!(state, RunState::Done | RunState::Partial);
    let (began_at, ended_at) = (record.began_at.map(timestamp), record.finished_at.map(timestamp));
    let until = if state == RunState::Running { Some(timestamp(now)) } else { ended_at };
    let measured = began_at.zip(until).map(|(from, until)| words::milliseconds(from, until));
    RunStatus {
        run_id: record.run_id.clone(),
        state,
        due_at: timestamp(record.due),
        began_at,
        ended_at,
        goes_on_at: record.not_before.filter(|_| job.schedule.is_some()).map(timestamp),
        duration_ms: told.duration_ms.filter(|_| is_complete).or(measured),
        attempts: record.attempts,
        resumed: record.resumed,
        restarted: told.restarted,
        counts: is_complete.then_some(told.counts),
        output: told.output,
        rejects: told.rejects,
        error: match state {
            // What an earlier attempt met is no news about this one.
            RunState::Running | RunState::Due => None,
            RunState::Killed => {
                Some("its process went away without a word; the next start goes on from there".to_owned())
            }
            _ => told.error,
        },
    }
}

/// The time at which a run should have begun and has not.
fn missed(
    schedule: &Schedule,
    planned: Option<&RunRecord>,
    last: Option<&RunStatus>,
    now: SystemTime,
) -> Option<SystemTime> {
    // A run by hand after the planned time did the work of that time.
    let begun = last.map(|run| SystemTime::from(run.when()));
    let planned = planned.map(|record| record.due).filter(|due| begun.is_none_or(|begun| begun < *due));
    let expected = planned.or_else(|| schedule.next_after(begun?))?;
    (expected + GRACE < now).then_some(expected)
}

/// `At 02:00`, `Every 30 minutes`.
fn in_words(schedule: &Schedule) -> String {
    let words = schedule.describe();
    let words = words.trim_end_matches('.');
    words.strip_prefix("At every ").map_or_else(|| words.to_owned(), |rest| format!("Every {rest}"))
}

fn work(work: &Work) -> String {
    match work {
        Work::Provision { api, resource, source, .. } => {
            format!("provision {api}:{resource} from {}", source.display())
        }
        Work::Export { api, read, to } => format!("export {api}:{read} to {}", to.display()),
    }
}

/// What a run left behind: a report, or why there is none.
#[derive(Debug, Default)]
struct Told {
    outcome: Option<String>,
    restarted: Option<String>,
    counts: Counts,
    output: Option<String>,
    rejects: Option<String>,
    duration_ms: Option<u64>,
    error: Option<String>,
}

impl Told {
    /// Whatever can be read of it; a report of another version may say more or less.
    fn read(report: Option<&str>) -> Self {
        let value = match report.map(serde_json::from_str::<Value>) {
            None => return Self::default(),
            Some(Ok(Value::String(reason))) => return Self { error: Some(reason), ..Self::default() },
            Some(Ok(value)) => value,
            Some(Err(_)) => return Self { error: report.map(str::to_owned), ..Self::default() },
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            outcome: text("outcome"),
            restarted: text("restarted"),
            counts: Counts::deserialize(&value).unwrap_or_default(),
            output: text("output"),
            rejects: text("rejects"),
            duration_ms: value.get("duration_ms").and_then(Value::as_u64),
            error: text("error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::UNIX_EPOCH;

    use super::*;

    /// 2026-11-23 00:00:00 UTC
    const NOW: u64 = 1_795_392_000;
    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW.checked_add_signed(seconds).unwrap())
    }

    /// An export at 02:00 each night.
    fn nightly() -> Job {
        Job { schedule: Some(Schedule::parse("0 2 * * *", Some("UTC")).unwrap()), ..on_demand() }
    }

    fn on_demand() -> Job {
        let work = Work::Export {
            api: "graph".to_owned(),
            read: "/users".to_owned(),
            to: PathBuf::from("/var/users.ndjson"),
        };
        Job { schedule: None, is_low_priority: false, work }
    }

    fn record(state: &str, due: i64, report: Option<&str>) -> RunRecord {
        let has_ended = ["done", "failed", "parked"].contains(&state);
        RunRecord {
            run_id: format!("{state} {due}"),
            state: state.to_owned(),
            due: at(due),
            began_at: (state != "due").then(|| at(due + 1)),
            lease_until: (state == "running").then(|| at(30)),
            not_before: None,
            finished_at: has_ended.then(|| at(due + 5)),
            attempts: 1,
            resumed: false,
            report: report.map(str::to_owned),
        }
    }

    fn of(job: &Job, history: &[RunRecord]) -> JobStatus {
        status("users", job, history, at(0))
    }

    #[test]
    fn a_night_that_went_well_is_told_with_its_counts() {
        let report =
            r#"{"outcome":"done","pages":3,"items":250,"output":"/var/users.ndjson","duration_ms":412}"#;
        let job = of(&nightly(), &[record("due", 2 * HOUR, None), record("done", -22 * HOUR, Some(report))]);
        assert_eq!((job.verdict, job.next_at), (Verdict::Succeeded, Some(timestamp(at(2 * HOUR)))));
        let last = job.last.unwrap();
        assert_eq!((last.did().as_deref(), last.duration_ms), (Some("250 items in 3 pages"), Some(412)));
        assert_eq!(job.work, "export graph:/users to /var/users.ndjson");
        let schedule = job.schedule.unwrap();
        assert_eq!((schedule.words.as_str(), schedule.time_zone.as_deref()), ("At 02:00", Some("UTC")));
        assert_eq!(in_words(&"*/30 * * * *".parse().unwrap()), "Every 30 minutes");
    }

    #[test]
    fn whatever_is_not_done_in_full_is_a_failure() {
        for (mut record, state, error) in [
            (record("done", -HOUR, Some(r#"{"outcome":"partial","rejected":4}"#)), RunState::Partial, None),
            (record("failed", -HOUR, Some(r#"{"error":"denied"}"#)), RunState::Failed, Some("denied")),
            (
                record("interrupted", -HOUR, Some(r#"{"error":"reset"}"#)),
                RunState::Interrupted,
                Some("reset"),
            ),
            (record("interrupted", -HOUR, None), RunState::Interrupted, None),
            (
                record("parked", -HOUR, Some(r#""tried too often""#)),
                RunState::Parked,
                Some("tried too often"),
            ),
            (record("failed", -HOUR, Some("{not json")), RunState::Failed, Some("{not json")),
        ] {
            record.not_before = Some(at(60));
            let job = of(&nightly(), &[record]);
            let last = job.last.unwrap();
            assert_eq!((job.verdict, last.state), (Verdict::Failed, state));
            assert_eq!(last.error.as_deref(), error);
        }
    }

    #[test]
    fn a_run_whose_owner_renews_its_lease_is_under_way_and_one_whose_owner_is_gone_was_killed() {
        let before = record("done", -25 * HOUR, Some("{}"));
        let mut alive = record("running", -HOUR, Some(r#"{"error":"of an earlier attempt"}"#));
        let job = of(&nightly(), &[alive.clone(), before.clone()]);
        assert_eq!((job.verdict, job.last.unwrap().state), (Verdict::Succeeded, RunState::Done));
        let running = job.running.unwrap();
        assert_eq!((running.duration_ms, running.error), (Some(3_599_000), None));

        alive.lease_until = Some(at(-1));
        let job = of(&nightly(), &[alive, before]);
        assert!(job.running.is_none());
        assert_eq!((job.verdict, job.last.unwrap().state), (Verdict::Failed, RunState::Killed));
    }

    #[test]
    fn a_night_that_did_not_happen_is_overdue_although_the_one_before_went_well() {
        // The daemon died after it had planned the next night, or it was never started.
        let done = record("done", -46 * HOUR, Some("{}"));
        let planned = record("due", -22 * HOUR, None);
        for history in [
            &[planned.clone(), done.clone()][..],
            std::slice::from_ref(&done),
            std::slice::from_ref(&planned),
        ] {
            let job = of(&nightly(), history);
            assert_eq!((job.verdict, job.overdue_since), (Verdict::Overdue, Some(timestamp(at(-22 * HOUR)))));
        }
        // By hand, later, is as good; without a schedule nothing is ever late.
        let by_hand = record("done", -10 * HOUR, Some("{}"));
        assert_eq!(of(&nightly(), &[by_hand, planned, done.clone()]).verdict, Verdict::Succeeded);
        assert_eq!(of(&on_demand(), &[done]).verdict, Verdict::Succeeded);
    }

    #[test]
    fn a_run_is_not_overdue_while_its_daemon_looks() {
        let late = record("due", -299, None);
        assert_eq!(of(&nightly(), &[late]).verdict, Verdict::Waiting);
        let running = record("running", -22 * HOUR, None);
        assert_eq!(of(&nightly(), &[running, record("done", -46 * HOUR, Some("{}"))]).overdue_since, None);
    }

    #[test]
    fn a_job_that_has_not_run_is_well_unless_nobody_serves_its_schedule() {
        assert_eq!(of(&on_demand(), &[]).verdict, Verdict::Waiting);
        assert_eq!(of(&nightly(), &[record("due", 2 * HOUR, None)]).verdict, Verdict::Waiting);
        assert_eq!(of(&nightly(), &[]).verdict, Verdict::Unplanned);
    }

    #[test]
    fn an_interrupted_run_goes_on_by_itself_only_on_a_schedule() {
        let mut waits = record("interrupted", -HOUR, Some(r#"{"error":"reset"}"#));
        waits.not_before = Some(at(600));
        let job = of(&nightly(), std::slice::from_ref(&waits));
        assert_eq!(job.next_at, Some(timestamp(at(600))));
        assert_eq!(of(&on_demand(), &[waits]).next_at, None);
    }

    #[test]
    fn the_last_run_is_the_one_that_ended_last() {
        let mut caught_up = record("failed", -22 * HOUR, Some(r#"{"error":"of this morning"}"#));
        caught_up.finished_at = Some(at(-HOUR));
        let by_hand = record("done", -10 * HOUR, Some("{}"));
        let last = of(&nightly(), &[by_hand, caught_up]).last.unwrap();
        assert_eq!(last.error.as_deref(), Some("of this morning"));
    }
}
