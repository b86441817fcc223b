//! `unattended status`: did it work last night?

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unattended_console::{JobStatus, RunState, RunStatus, Status, Verdict, words};
use unattended_daemon::StatusReader;

use crate::failure::{CommandError, Exit, explain};
use crate::printer::{BAD, BOLD, GOOD, Printer, WARN, styled};

pub(crate) async fn run(reader: &StatusReader, printer: &Printer) -> Result<Exit, CommandError> {
    let status = reader.status().await.map_err(|error| explain("the status cannot be read", &error))?;
    printer.json(&status)?;
    let zone = TimeZone::system();
    for (index, job) in status.jobs.iter().enumerate() {
        if index > 0 {
            printer.result("")?;
        }
        printer.result(rendered(job, status.at, &zone))?;
    }
    for warning in status.application.credentials.iter().filter_map(|credential| credential.warning()) {
        printer.note(format_args!("{}: {warning}", styled(WARN, "warning")));
    }
    printer.note(summary(&status));
    Ok(if status.succeeded { Exit::Done } else { Exit::Failed })
}

fn summary(status: &Status) -> String {
    styled(if status.succeeded { GOOD } else { BAD }, status.summary())
}

fn rendered(job: &JobStatus, now: Timestamp, zone: &TimeZone) -> String {
    let mut lines = vec![format!("{} {}", styled(BOLD, &job.name), headline(job))];
    let mut line = |label: &str, told: String| lines.push(format!("  {label:<9} {told}"));
    let moment = |at| format!("{}, {}", words::moment(at, zone), words::relative(at, now));
    line("work", job.work.clone());
    if let Some(schedule) = &job.schedule {
        let zone = schedule.time_zone.as_ref().map(|zone| format!(", {zone}")).unwrap_or_default();
        line("schedule", format!("{} ({}{zone})", schedule.words, schedule.cron));
    }
    if let Some(running) = &job.running {
        line("running", format!("since {}", moment(running.when())));
    }
    if let Some(last) = &job.last {
        line("last run", format!("{}{}", moment(last.when()), outcome(last)));
        if let Some(file) = &last.rejects {
            line("left out", file.clone());
        }
        if let Some(error) = &last.error {
            line("error", error.clone());
        }
    }
    if let Some(since) = job.overdue_since {
        line("overdue", format!("it should have run {}", moment(since)));
    }
    if job.verdict == Verdict::Unplanned {
        line("why", "no daemon has planned it: `unattended run` serves the schedules".to_owned());
    }
    if let Some(next) = job.next_at {
        line("next", moment(next));
    }
    lines.join("\n")
}

/// The state in a word or two.
fn headline(job: &JobStatus) -> String {
    let state = match (job.verdict, &job.last) {
        (Verdict::Overdue, _) => styled(BAD, "overdue"),
        (Verdict::Unplanned, _) => styled(BAD, "not planned"),
        (_, Some(last)) => styled(
            match last.state {
                RunState::Done => GOOD,
                RunState::Partial | RunState::Interrupted => WARN,
                _ => BAD,
            },
            last.state.words(),
        ),
        (_, None) => "has not run".to_owned(),
    };
    match (&job.running, &job.last) {
        (None, _) => state,
        (Some(_), None) => "running".to_owned(),
        (Some(_), Some(_)) => format!("running (before: {state})"),
    }
}

/// What the run did, and how long that took.
fn outcome(run: &RunStatus) -> String {
    let did = run.did().map(|did| format!(": {did}")).unwrap_or_default();
    let resumed = if run.resumed { ", went on where an earlier attempt had stopped" } else { "" };
    let length = run.duration_ms.map(|length| format!(" in {}", words::length(length))).unwrap_or_default();
    format!("{did}{resumed}{length}")
}
