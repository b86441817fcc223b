//! What unattended work is: sources, plans, exports, checkpoints, schedules and the store of runs.
//!
//! A [`Job`] has a name, a piece of [`Work`] and perhaps a [`Schedule`]. The [`Engine`] runs it:
//!
//! 1. it takes the job's [`Hold`](store::Hold), so that it runs once at a time,
//! 2. it claims a row of the [`Store`] (lease, fence, attempt): the run that was killed before, or a new one,
//! 3. the work goes on from the journal and the checkpoint of that run,
//! 4. its end, its [`Report`] and the cleared checkpoint are one transaction.
//!
//! A run that is killed at any moment is resumed and ends as an undisturbed one: provisioning by comparing again,
//! export by cutting its file back to the last acknowledged page.
//!
//! This crate knows no OAuth: it is given a [`Client`](unattended_webapi::Client) that can call.

mod engine;
mod error;
mod export;
mod job;
mod millis;
mod mirror;
mod observer;
mod plan;
mod provision;
mod reject;
mod report;
mod row;
mod run;
mod schedule;
mod scheduler;
pub mod source;
pub mod store;
mod users;

pub use crate::engine::Engine;
pub use crate::error::JobError;
pub use crate::job::{Export, Job, Provision, Work};
pub use crate::observer::{Event, Observer, Phase, Progress, Unobserved};
pub use crate::plan::{Change, Create, Plan, Update};
pub use crate::reject::Reject;
pub use crate::report::{Outcome, Report};
pub use crate::row::Desired;
pub use crate::schedule::{InvalidSchedule, Schedule};
pub use crate::store::{SqliteStore, Store, StoreError};
