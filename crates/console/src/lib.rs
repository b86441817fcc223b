//! The administrator's web page: whether the jobs worked, on loopback, read-only.
//!
//! * [`StatusSource`] is what the console is given: somebody who knows how the jobs do. It never knows how anything is
//!   done, not even where that is kept.
//! * [`Status`] is what it shows, as pages for people and as the same document at `/api/status`.
//! * [`Console`] serves it. The one way in is a login URL that works once; whoever is led here by a foreign page, a
//!   foreign name or a proxy is refused.
//!
//! Pages are HTML without scripts. All that is dynamic is escaped by the one type that pages are built of, and a
//! content security policy lets nothing else in than the one style sheet that is in the page.

mod console;
mod error;
mod guard;
mod html;
mod model;
mod pages;
mod server;
mod session;
mod source;
#[cfg(test)]
mod tests;
pub mod words;

pub use crate::console::{Console, RunningConsole};
pub use crate::error::ConsoleError;
pub use crate::model::{
    ApiStatus, ApplicationStatus, Counts, CredentialStatus, JobStatus, RunState, RunStatus, ScheduleStatus,
    Status, Verdict,
};
pub use crate::source::{SourceError, StatusSource};
