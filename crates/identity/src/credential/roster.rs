//! Several credentials of one application, and which of them to use.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::Credential;
use crate::error::Error;

/// How long a credential that the server refused, or that could not be had, is tried last instead of in its place. Long
/// enough to cost nothing, short enough to go back to the preferred one soon after it works.
const COOL_DOWN: Duration = Duration::from_secs(600);

/// Days before the end at which it is told.
const NOTICES: [u64; 4] = [1, 7, 14, 30];
const DAY: u64 = 86_400;

/// The credentials of an application in order of preference.
#[derive(Debug, Default)]
pub(crate) struct Roster(Vec<Member>);

/// A credential and what is known of it.
#[derive(Debug)]
pub(crate) struct Member {
    credential: Arc<dyn Credential>,
    failed: Mutex<Option<Failure>>,
    /// The last of [`NOTICES`] that was given.
    notice: AtomicU64,
}

#[derive(Debug)]
struct Failure {
    epoch: u64,
    /// Monotonic.
    until: Duration,
    error: Error,
}

impl Roster {
    pub(crate) fn push(&mut self, credential: Arc<dyn Credential>) {
        self.0.push(Member { credential, failed: Mutex::default(), notice: AtomicU64::new(u64::MAX) });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is another one to turn to.
    pub(crate) fn is_choice(&self) -> bool {
        self.0.len() > 1
    }

    pub(crate) fn credentials(&self) -> impl Iterator<Item = &dyn Credential> {
        self.0.iter().map(|member| &*member.credential)
    }

    /// Those that failed lately, and how.
    pub(crate) fn resting(&self, elapsed: Duration) -> impl Iterator<Item = (&dyn Credential, Error)> {
        self.0.iter().filter_map(move |member| Some((member.credential(), member.resting(elapsed)?)))
    }

    /// Everyone with its rank, those that failed lately after those that did not.
    pub(crate) fn in_order(&self, elapsed: Duration) -> Vec<(usize, &Member)> {
        let mut order: Vec<_> = self.0.iter().enumerate().collect();
        order.sort_by_key(|(_, member)| member.resting(elapsed).is_some());
        order
    }
}

impl Member {
    pub(crate) fn credential(&self) -> &dyn Credential {
        &*self.credential
    }

    /// It failed: the others come first for a while, unless something else takes its place.
    pub(crate) fn steps_back(&self, elapsed: Duration, error: Error) {
        let (epoch, until) = (self.credential.epoch(), elapsed + COOL_DOWN);
        let before = self.failed().replace(Failure { epoch, until, error: error.clone() });
        if before.is_none() {
            let what = match error.is_transient() {
                true => "this credential cannot be had now",
                false => "the server does not accept this credential",
            };
            warn!(credential = self.credential.describe(), %error, "{what}");
        }
    }

    pub(crate) fn was_accepted(&self) {
        if self.failed().take().is_some() {
            info!(credential = self.credential.describe(), "the server accepts this credential again");
        }
    }

    /// Tells once at each of 30, 14, 7 and 1 days before the end that it is near.
    pub(crate) fn give_notice(&self, now: SystemTime) {
        let Some(left) = self.credential.not_after().and_then(|end| end.duration_since(now).ok()) else {
            return;
        };
        let days = left.as_secs() / DAY;
        let due = NOTICES.into_iter().find(|notice| days < *notice).unwrap_or(u64::MAX);
        if self.notice.swap(due, Relaxed) != due && due != u64::MAX {
            warn!(credential = self.credential.describe(), days_left = days, "the credential ends soon");
        }
    }

    /// Why it rests, if it does.
    fn resting(&self, elapsed: Duration) -> Option<Error> {
        let failure = self.failed();
        let failure = failure.as_ref()?;
        let rests = elapsed < failure.until && failure.epoch == self.credential.epoch();
        rests.then(|| failure.error.clone())
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
