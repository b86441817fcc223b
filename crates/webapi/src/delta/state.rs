//! What has to survive between two looks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use unattended_core::BoxFuture;

use super::{ResyncReason, lint};

/// How old a link of the directory may get, and from when on that is worth a warning.
const DIRECTORY_LINK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const OLD: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// A place that keeps the state of one delta query.
///
/// An implementation that also keeps what was done with the changes saves both in one transaction: then a crash
/// repeats changes and loses none.
pub trait DeltaStore {
    /// Why it could not be read or kept.
    type Error;

    /// What was saved last.
    fn load(&self) -> BoxFuture<'_, Result<Option<DeltaState>, Self::Error>>;

    /// Replaces it.
    fn save(&self, state: &DeltaState) -> BoxFuture<'_, Result<(), Self::Error>>;
}

/// Two slots for one query: where the round under way stands, and the link of the last complete one. Serialise it to
/// keep it; its shape is not for others to read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeltaState {
    #[serde(flatten)]
    current: Slots,
    /// Of the query that was asked before, until the first round of this one is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded: Option<Slots>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Slots {
    /// What tells queries apart.
    key: String,
    pending: Option<Pending>,
    committed: Option<Committed>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Pending {
    /// The page to read next; none when all are read and what did not come is to be deleted.
    next: Option<String>,
    /// The link at the end of a round that is not complete before that.
    end: Option<Committed>,
    resync: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Committed {
    link: String,
    /// Unix seconds.
    issued_at: u64,
}

impl DeltaState {
    /// How long ago the link of the last complete round was issued; `None` before the first one.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        let issued_at = UNIX_EPOCH + Duration::from_secs(self.current.committed.as_ref()?.issued_at);
        Some(now.duration_since(issued_at).unwrap_or_default())
    }

    /// How long an API keeps the links of this query, as far as that is documented: the directory does for a week.
    #[must_use]
    pub fn lifetime(path: &str) -> Option<Duration> {
        const UNLIMITED: [&str; 5] = ["messages", "events", "calendarview", "contacts", "mailfolders"];
        let collection = lint::collection(lint::split(path).0);
        (!UNLIMITED.contains(&collection.as_str())).then_some(DIRECTORY_LINK)
    }

    /// Whether a complete round has been read, so that the next one brings changes only.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.current.committed.is_some() && self.current.pending.is_none()
    }

    /// The state for the query `key`, and why its first round is not the first of all.
    pub(super) fn opened(saved: Option<Self>, key: &str) -> (Self, Option<ResyncReason>) {
        let Some(saved) = saved.filter(|saved| saved.current != Slots::default()) else {
            let current = Slots { key: key.to_owned(), ..Slots::default() };
            return (Self { current, superseded: None }, None);
        };
        if saved.current.key == key {
            return (saved, None);
        }
        match saved.superseded {
            Some(previous) if previous.key == key => (Self { current: previous, superseded: None }, None),
            older => {
                let superseded = saved.current.committed.is_some().then_some(saved.current).or(older);
                let current = Slots { key: key.to_owned(), ..Slots::default() };
                (Self { current, superseded }, Some(ResyncReason::QueryChanged))
            }
        }
    }

    pub(super) fn tell_age(&self, path: &str, now: SystemTime) {
        let is_limited = Self::lifetime(path).is_some();
        if let Some(age) = self.age(now).filter(|age| is_limited && *age >= OLD) {
            let days = age.as_secs() / 86_400;
            tracing::warn!(days, "the delta link is old; the directory forgets it after seven days");
        }
    }

    pub(super) fn next_link(&self) -> Option<&str> {
        let Slots { pending, committed, .. } = &self.current;
        match pending {
            Some(pending) => pending.next.as_deref(),
            None => committed.as_ref().map(|committed| committed.link.as_str()),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        let Slots { pending, committed, .. } = &self.current;
        committed.is_none() || pending.as_ref().is_some_and(|pending| pending.resync)
    }

    pub(super) fn awaits_sweep(&self) -> bool {
        self.current.pending.as_ref().is_some_and(|pending| pending.end.is_some())
    }

    pub(super) fn begin_resync(&mut self, first: &str) {
        self.current.pending = Some(Pending { next: Some(first.to_owned()), end: None, resync: true });
    }

    pub(super) fn advance(&mut self, next: &str) {
        let resync = self.current.pending.as_ref().is_some_and(|pending| pending.resync);
        self.current.pending = Some(Pending { next: Some(next.to_owned()), end: None, resync });
    }

    pub(super) fn end_round(&mut self, link: &str, now: SystemTime) {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let end = Committed { link: link.to_owned(), issued_at };
        match &mut self.current.pending {
            Some(pending) if pending.resync => (pending.next, pending.end) = (None, Some(end)),
            _ => self.complete(end),
        }
    }

    pub(super) fn complete_resync(&mut self) {
        if let Some(end) = self.current.pending.as_mut().and_then(|pending| pending.end.take()) {
            self.complete(end);
        }
    }

    fn complete(&mut self, end: Committed) {
        (self.current.pending, self.current.committed, self.superseded) = (None, Some(end), None);
    }
}
