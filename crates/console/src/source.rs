//! Who knows how the jobs do.

use std::error::Error;
use std::fmt;

use unattended_core::BoxFuture;

use crate::model::{RunStatus, Status};

/// Why there is no status: for whoever administers the machine.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Tells how the jobs do.
pub trait StatusSource: fmt::Debug + Send + Sync + 'static {
    /// Everything that the overview shows, as of now.
    fn status(&self) -> BoxFuture<'_, Result<Status, SourceError>>;

    /// The latest runs of a job, the newest first, at most `limit`; none of a job that there is not.
    fn runs(&self, job: &str, limit: u32) -> BoxFuture<'_, Result<Vec<RunStatus>, SourceError>>;
}
