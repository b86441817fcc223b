//! Whether each job finds its input, may write its output, and when it runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use unattended_jobs::Schedule;
use unattended_webapi::{DeltaState, QueryLint, is_delta, lint_query};

use super::finding::{Finding, Verdict};
use crate::config::{Config, Job, Work};
use crate::ports::Ports;

const CHECK: &str = "job";

pub(super) fn examine(config: &Config, ports: &Ports) -> Vec<Finding> {
    let now = ports.clock.now();
    let suffix = ports.entropy.uuid();
    let is_advanced = |job: &Job| config.apis.get(job.work.api()).is_some_and(|api| api.advanced_queries);
    let examine = |(name, job): (&String, &Job)| {
        let finding = examine_one(name, job, now, &suffix);
        let finding = if finding.verdict == Verdict::Ok { query(job, is_advanced(job)) } else { None }
            .unwrap_or(finding);
        finding.about(name)
    };
    config.jobs.iter().map(examine).collect()
}

fn examine_one(name: &str, job: &Job, now: SystemTime, suffix: &str) -> Finding {
    if let Work::Provision { source, .. } = &job.work
        && let Err(error) = File::open(source)
    {
        let shown = source.display();
        return Finding::failed(
            CHECK,
            format!("its source {shown} cannot be read"),
            error.to_string(),
            format!("put the file there, or correct `source` in [jobs.{name}]"),
        );
    }
    let directory = match job.work.output().parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Err(error) = try_to_write(directory, suffix) {
        let shown = directory.display();
        let fix = match error.kind() {
            io::ErrorKind::NotFound => format!("mkdir -p {shown}"),
            _ => format!("let the daemon's user write there: `chown USER {shown}`"),
        };
        return Finding::failed(CHECK, format!("it cannot write into {shown}"), error.to_string(), fix);
    }
    if let (Work::Export { read, .. }, Some(schedule)) = (&job.work, &job.schedule)
        && let Some(lifetime) = is_delta(read).then(|| DeltaState::lifetime(read)).flatten()
        && let Some(gap) = longest_gap(schedule, now).filter(|gap| *gap > lifetime / 2)
    {
        return Finding::failed(
            CHECK,
            format!("it reads changes, and lets up to {} days pass between two looks", days(gap)),
            format!("the link to later changes lasts {} days, and a run may fail", days(lifetime)),
            format!("run [jobs.{name}] at least every {} days", days(lifetime / 2)),
        );
    }
    Finding::ok(CHECK, when(job, now))
}

/// What is wrong with the query of an export, as far as it is known before it is sent.
fn query(job: &Job, is_advanced: bool) -> Option<Finding> {
    let Work::Export { api, read, .. } = &job.work else { return None };
    lint_query(read).into_iter().find_map(|lint| match lint {
        QueryLint::Advanced { .. } if is_advanced => None,
        QueryLint::Advanced { uses, .. } => Some(Finding::failed(
            CHECK,
            format!("its query uses `{uses}`, which the directory refuses as it is"),
            lint.to_string(),
            format!("set `advanced-queries = true` in [apis.{api}]"),
        )),
        _ => Some(Finding::warning(
            CHECK,
            "it reads every property there is",
            lint.to_string(),
            "name the properties in `read`, such as `/users?$select=id,displayName`",
        )),
    })
}

/// The longest time between two of the next runs.
fn longest_gap(schedule: &Schedule, now: SystemTime) -> Option<Duration> {
    const RUNS: usize = 100;
    let times: Vec<SystemTime> =
        std::iter::successors(schedule.next_after(now), |time| schedule.next_after(*time))
            .take(RUNS)
            .collect();
    times.windows(2).filter_map(|pair| pair[1].duration_since(pair[0]).ok()).max()
}

fn days(duration: Duration) -> u64 {
    duration.as_secs() / 86_400
}

fn when(job: &Job, now: SystemTime) -> String {
    let Some(schedule) = &job.schedule else { return "runs by name only".to_owned() };
    let words = schedule.describe().trim_end_matches('.').to_owned();
    let words = match words.strip_prefix("At ") {
        Some(time) if time.starts_with("every") => time.to_owned(),
        Some(time) => format!("at {time}"),
        None => words,
    };
    match schedule.next_after(now).and_then(|next| jiff::Timestamp::try_from(next).ok()) {
        Some(next) => format!("runs {words}; next at {}", next.strftime("%Y-%m-%d %H:%M UTC")),
        None => format!("runs {words}"),
    }
}

/// Permissions, quotas, read-only mounts and access lists all have their say only when something is really written.
fn try_to_write(directory: &Path, suffix: &str) -> io::Result<()> {
    let path = directory.join(format!(".unattended-{suffix}"));
    drop(OpenOptions::new().write(true).create_new(true).open(&path)?);
    std::fs::remove_file(path)
}
