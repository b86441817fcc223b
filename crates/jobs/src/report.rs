//! What a run did.

use std::path::PathBuf;

use serde::Serialize;

/// What a run did, over all its attempts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The job's name.
    pub job: String,
    /// The run's id.
    pub run_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether an earlier attempt was killed or stopped and this one went on from there.
    pub resumed: bool,
    /// Why the work began anew although it could have gone on, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted: Option<String>,
    /// Objects made.
    pub created: u64,
    /// Objects changed.
    pub updated: u64,
    /// Objects that were as the source says.
    pub unchanged: u64,
    /// Rows left out; see `rejects`.
    pub rejected: u64,
    /// Rows of which it is not known whether they were provisioned; the next run finds out.
    pub failed: u64,
    /// Pages read.
    pub pages: u64,
    /// Objects read.
    pub items: u64,
    /// The file that was written; of an interrupted export the partial one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// The file of rejected rows, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejects: Option<PathBuf>,
    /// How long this attempt took, in milliseconds.
    pub duration_ms: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// Everything was done that can be; some rows were rejected or failed.
    Partial,
    /// It was asked to stop before the end. The next run goes on from there.
    #[default]
    Interrupted,
}

impl Report {
    /// Whether every row and every page was done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.outcome == Outcome::Done
    }
}
