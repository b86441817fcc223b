//! Who watches a run.

use std::path::PathBuf;

use crate::report::Report;

/// Is told how jobs get on. Called from the run itself: it must return quickly.
pub trait Observer: Send + Sync {
    /// The work has got somewhere.
    fn progress(&self, job: &str, progress: Progress) {
        let _ = (job, progress);
    }

    /// Something happened.
    fn event(&self, job: &str, event: &Event) {
        let _ = (job, event);
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// How far a phase has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How many objects or rows are done.
    pub done: u64,
    /// How many there are, if that is known.
    pub total: Option<u64>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Reads the objects of the directory to compare them.
    Compare,
    /// Writes what differs.
    Apply,
    /// Writes what it reads into a file.
    Export,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A run begins, or goes on where an earlier attempt stopped.
    Begin {
        /// The run.
        run_id: String,
        /// Whether an earlier attempt had begun it.
        resumed: bool,
    },
    /// The work begins anew although it could have gone on.
    Restart {
        /// Why.
        reason: String,
    },
    /// A row was left out.
    Reject {
        /// The line of the source.
        line: u64,
        /// Why.
        reason: String,
    },
    /// Rows were left out; this is where they are.
    RejectsWritten {
        /// The file.
        path: PathBuf,
    },
    /// A run has ended.
    End(Box<Report>),
    /// A run has failed, or a job cannot run.
    Fail {
        /// The error and its causes.
        error: String,
        /// Whether it is tried again by itself.
        will_retry: bool,
    },
    /// A run was tried too often without progress and is put aside.
    Park {
        /// The run.
        run_id: String,
    },
}
