//! `unattended run`: jobs, now or on their schedules.

use std::sync::Arc;

use unattended_daemon::{Daemon, run_scheduled};
use unattended_jobs::{Engine, Event, Job, JobError, Observer, Outcome, Report, Work};

use super::on_signals;
use crate::arguments::Run;
use crate::failure::{CommandError, Exit, explain};
use crate::printer::{BAD, BOLD, GOOD, Printer, WARN, counted, styled};
use crate::progress::{Watcher, told};

pub(crate) async fn run(arguments: &Run, daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let jobs = selected(&arguments.jobs, daemon)?;
    if arguments.dry_run {
        return dry_run(&jobs, daemon, printer).await;
    }
    if arguments.once || !arguments.jobs.is_empty() {
        return now(&jobs, daemon, printer).await;
    }
    scheduled(daemon, printer).await
}

/// The jobs that were named, or all.
fn selected(names: &[String], daemon: &Daemon) -> Result<Vec<Job>, CommandError> {
    let unusable = |error| explain("the jobs cannot be run", &error);
    let jobs = match names {
        [] => daemon.jobs().map_err(unusable)?,
        names => names.iter().map(|name| daemon.job(name)).collect::<Result<_, _>>().map_err(unusable)?,
    };
    if jobs.is_empty() {
        return Err(CommandError::new(Exit::Configuration, "the configuration names no job")
            .hint("add a [jobs.NAME] table with `provision` or `export`"));
    }
    Ok(jobs)
}

fn engine(daemon: &Daemon) -> Result<Engine, CommandError> {
    daemon.engine().map_err(|error| explain("jobs cannot be run", &error))
}

async fn dry_run(jobs: &[Job], daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let engine = engine(daemon)?;
    let mut exit = Exit::Done;
    for job in jobs {
        if let Work::Export(export) = &job.work {
            printer.note(format_args!(
                "{}: reads {} and writes {}; it changes nothing in the directory",
                job.name,
                export.read,
                export.to.display()
            ));
            continue;
        }
        let plan = engine.plan(job).await.map_err(|error| failed(&job.name, &error))?;
        printer.json(&serde_json::json!({ "job": job.name, "plan": plan }))?;
        printer.result(format_args!("{}\n{plan}", styled(BOLD, &job.name)))?;
        if !plan.rejected.is_empty() {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// One after the other. A job that fails does not keep the next ones from running; the first failure is the exit.
async fn now(jobs: &[Job], daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let engine = engine(daemon)?;
    let shutdown = on_signals()?;
    let mut exit = Exit::Done;
    for job in jobs {
        let watcher = Watcher::new(printer);
        let ended = tokio::select! {
            ended = engine.run_now(job, &watcher, shutdown.drain.clone()) => ended,
            // What was acknowledged is in the store; the next run does the rest again.
            () = shutdown.stop.cancelled() => return Ok(Exit::Temporary),
        };
        watcher.finish();
        let ended = match ended {
            Ok(report) => {
                printer.json(&report)?;
                printer.result(summary(&report))?;
                exit_of(&report)
            }
            Err(error) => {
                let failure = failed(&job.name, &error);
                printer.failure(&failure);
                failure.exit()
            }
        };
        if exit == Exit::Done {
            exit = ended;
        }
        if shutdown.drain.is_cancelled() {
            break;
        }
    }
    Ok(exit)
}

async fn scheduled(daemon: &Daemon, printer: &Printer) -> Result<Exit, CommandError> {
    let shutdown = on_signals()?;
    printer.note("running on schedule until a signal (Ctrl-C)");
    let reporter = Arc::new(Reporter { printer: *printer });
    run_scheduled(daemon, reporter, &shutdown)
        .await
        .map_err(|error| explain("the schedules cannot be run", &error))?;
    Ok(Exit::Done)
}

/// Tells how scheduled runs end; nobody watches them all the time.
#[derive(Debug)]
struct Reporter {
    printer: Printer,
}

impl Observer for Reporter {
    fn event(&self, job: &str, event: &Event) {
        // A reader that went away is no reason to stop the daemon.
        _ = match event {
            Event::End(report) => {
                self.printer.json(report).and_then(|()| self.printer.result(summary(report)))
            }
            Event::Fail { error, .. } => {
                self.printer.json(&serde_json::json!({ "job": job, "error": error }))
            }
            _ => Ok(()),
        };
        if let Some(text) = told(job, event) {
            self.printer.note(text);
        }
    }
}

fn exit_of(report: &Report) -> Exit {
    match report.outcome {
        Outcome::Done => Exit::Done,
        Outcome::Partial => Exit::Failed,
        Outcome::Interrupted => Exit::Temporary,
    }
}

pub(crate) fn failed(job: &str, error: &JobError) -> CommandError {
    let failure = explain(format!("the job `{job}` failed"), error).detail("job", job);
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

/// What a run did, on one line.
pub(crate) fn summary(report: &Report) -> String {
    let outcome = match report.outcome {
        Outcome::Done => styled(GOOD, "done"),
        Outcome::Partial => styled(WARN, "done in part"),
        Outcome::Interrupted => styled(BAD, "interrupted"),
    };
    let did = match &report.output {
        Some(output) => {
            format!(
                "{} in {} to {}",
                counted(report.items, "item"),
                counted(report.pages, "page"),
                output.display()
            )
        }
        None => {
            format!("{} created, {} updated, {} unchanged", report.created, report.updated, report.unchanged)
        }
    };
    let mut line = format!("{} {outcome}: {did}", styled(BOLD, &report.job));
    if report.failed > 0 {
        line.push_str(&format!(", {} failed", report.failed));
    }
    if let Some(rejects) = &report.rejects {
        line.push_str(&format!(", {} rejected (see {})", report.rejected, rejects.display()));
    }
    line + &format!(" in {:.1} s", report.duration_ms as f64 / 1_000.0)
}
