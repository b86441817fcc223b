//! What the work of a run is given.

use tokio_util::sync::CancellationToken;
use unattended_core::{Clock, Entropy};

use crate::observer::{Event, Observer, Phase, Progress};
use crate::store::{JobKey, Run, Store};

/// One attempt at one run.
pub(crate) struct RunContext<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) key: &'a JobKey,
    pub(crate) run: &'a Run,
    pub(crate) watch: Watch<'a>,
}

/// Who watches, and who may ask to stop.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) job: &'a str,
    pub(crate) observer: &'a dyn Observer,
    /// Once cancelled, the work stops at the next point from which it can go on.
    pub(crate) stop: &'a CancellationToken,
}

impl Watch<'_> {
    pub(crate) fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        self.observer.progress(self.job, Progress { phase, done, total });
    }

    pub(crate) fn event(&self, event: &Event) {
        self.observer.event(self.job, event);
    }
}

/// How the work ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// There is nothing left to do. With what the job remembers from now on, if that has changed.
    Complete(Option<String>),
    /// It was asked to stop; what is done is kept.
    Interrupted,
}
