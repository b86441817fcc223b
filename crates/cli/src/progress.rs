//! Progress for whoever watches.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use unattended_jobs::{Event, Observer, Phase, Progress};

use crate::printer::Printer;

/// One bar on standard error; nothing at all where nobody watches.
#[derive(Clone, Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(printer: &Printer) -> Self {
        if !printer.shows_progress() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length().with_style(counting());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// `done` of `total`, if the total is known.
    pub(crate) fn set(&self, what: &'static str, done: u64, total: Option<u64>) {
        match total {
            Some(total) if self.0.length() != Some(total) => {
                self.0.set_length(total);
                self.0.set_style(measuring());
            }
            None if self.0.length().is_some() => {
                self.0.unset_length();
                self.0.set_style(counting());
            }
            _ => {}
        }
        self.0.set_message(what);
        self.0.set_position(done);
    }

    /// A line above the bar.
    pub(crate) fn say(&self, printer: &Printer, text: impl fmt::Display) {
        self.0.suspend(|| printer.note(text));
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Shows how a job gets on.
#[derive(Debug)]
pub(crate) struct Watcher {
    bar: Bar,
    printer: Printer,
}

impl Watcher {
    pub(crate) fn new(printer: &Printer) -> Self {
        Self { bar: Bar::new(printer), printer: *printer }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}

impl Observer for Watcher {
    fn progress(&self, _: &str, progress: Progress) {
        let what = match progress.phase {
            Phase::Compare => "comparing",
            Phase::Apply => "writing",
            Phase::Export => "exporting",
            _ => "working",
        };
        self.bar.set(what, progress.done, progress.total);
    }

    fn event(&self, job: &str, event: &Event) {
        if let Some(text) = told(job, event) {
            self.bar.say(&self.printer, text);
        }
    }
}

/// An event in words, if it is worth interrupting for.
pub(crate) fn told(job: &str, event: &Event) -> Option<String> {
    let text = match event {
        Event::Begin { resumed: true, .. } => "going on where the earlier run stopped".to_owned(),
        Event::Restart { reason } => format!("beginning anew: {reason}"),
        Event::RejectsWritten { path } => format!("rows that were left out are in {}", path.display()),
        Event::Park { run_id } => {
            format!("the run {run_id} is put aside: it was tried too often without progress")
        }
        Event::Fail { error, will_retry: true } => format!("failed and will be tried again: {error}"),
        _ => return None,
    };
    Some(format!("{job}: {text}"))
}

fn counting() -> ProgressStyle {
    let style = ProgressStyle::with_template("  {spinner} {msg} {human_pos} {elapsed:.dim}");
    style.unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn measuring() -> ProgressStyle {
    let style = ProgressStyle::with_template("  {msg} {wide_bar} {human_pos}/{human_len} {eta:.dim}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
