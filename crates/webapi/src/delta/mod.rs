//! Delta queries: what has changed in a collection since the last look.
//!
//! A delta query is read in **rounds**. The first round is a baseline: the whole collection, page by page. Its last
//! page has a link that later gives the changes since then; every further round ends with such a link too. So there
//! are two things to remember, and [`DeltaState`] holds both: where the round under way stands, and the link of the
//! last complete one.
//!
//! The rule that loses nothing: keep [`Delta::state`] *together with* what was done with the last event, in one
//! transaction. A [`DeltaStore`] is a place that does so. After a crash some events come again; none is left out.

mod change;
mod lint;
mod state;

use std::collections::VecDeque;
use std::fmt;

use http::StatusCode;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::pages::{Page, Pages};

pub use self::change::{Change, Removal, last_wins};
pub use self::lint::is_delta;
pub use self::state::{DeltaState, DeltaStore};

/// One round of a delta query.
///
/// [`next`](Self::next) may be dropped and called again, and after an error it asks for the same page again.
#[must_use = "nothing is sent before `next`"]
pub struct Delta {
    client: Client,
    path: String,
    headers: Vec<(String, String)>,
    state: DeltaState,
    pages: Option<Pages>,
    /// What was found out and not yet handed over.
    ready: VecDeque<DeltaEvent>,
    /// How often the round was begun anew.
    resyncs: u32,
    is_over: bool,
}

/// What a round brings.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeltaEvent {
    /// The API cannot say what has changed and gives the whole collection instead. From here on, mark what comes; at
    /// [`ResyncCompleted`](Self::ResyncCompleted) delete what is not marked.
    ResyncStarted {
        /// Why.
        reason: ResyncReason,
    },
    /// Some changes. May be none.
    Page(DeltaPage),
    /// The whole collection has come: what did not come is not there any more.
    ResyncCompleted,
}

/// Why the whole collection comes again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResyncReason {
    /// The link was too old, or the API has lost what it stood for.
    LinkExpired,
    /// Something else is asked for than in the round before, so that nothing is known of it.
    QueryChanged,
}

/// The changes of one page.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeltaPage {
    /// In the order in which the API told them. The same object may come more than once, in one round and in
    /// different ones; [`last_wins`] keeps the last word about each.
    pub changes: Vec<Change>,
    /// Whether it is the last page of the round.
    pub is_last: bool,
}

impl Delta {
    pub(crate) fn new(client: Client, path: &str, saved: Option<DeltaState>) -> Self {
        let (state, reason) = DeltaState::opened(saved, &client.state_key(path));
        state.tell_age(path, client.inner().clock.now());
        let mut this = Self {
            path: path.to_owned(),
            headers: Vec::new(),
            pages: None,
            ready: VecDeque::new(),
            resyncs: 0,
            is_over: false,
            state,
            client,
        };
        if let Some(reason) = reason {
            this.state.begin_resync(path);
            this.ready.push_back(DeltaEvent::ResyncStarted { reason });
        } else if this.state.awaits_sweep() {
            this.ready.push_back(DeltaEvent::ResyncCompleted);
        }
        this
    }

    /// Sets a header of every page, such as `Prefer: return=minimal`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The next event; `None` once the round is over.
    ///
    /// # Errors
    /// As any call; see [`Pages::next`]. A query that the API would refuse is refused here before it is sent.
    pub async fn next(&mut self) -> Result<Option<DeltaEvent>, Error> {
        lint::check(&self.path)?;
        loop {
            if let Some(event) = self.ready.pop_front() {
                if matches!(event, DeltaEvent::ResyncCompleted) {
                    self.state.complete_resync();
                    self.is_over = true;
                }
                return Ok(Some(event));
            }
            if self.is_over {
                return Ok(None);
            }
            let pages = self.pages.get_or_insert_with(|| {
                let link = self.state.next_link().unwrap_or(&self.path);
                self.headers
                    .iter()
                    .fold(self.client.pages(link), |pages, (name, value)| pages.header(name, value))
                    // A page is asked for once what the one before brought is dealt with.
                    .without_reading_ahead()
            });
            match pages.next().await {
                Ok(Some(page)) => return self.arrived(&page).map(DeltaEvent::Page).map(Some),
                Ok(None) => self.is_over = true,
                Err(error) if needs_resync(&error) && self.may_resync() => self.resync(&error),
                Err(error) => return Err(error),
            }
        }
    }

    /// What to keep once the last event has been dealt with, so that a later [`Client::delta`] goes on from there.
    #[must_use]
    pub fn state(&self) -> &DeltaState {
        &self.state
    }

    /// Whether this round brings the whole collection: the first one, and one that was begun anew. What does not come
    /// in it is not there. Not so for a first round with `$deltaToken=latest`, which brings nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state.is_whole() && !lint::begins_now(&self.path)
    }

    /// Keeps [`state`](Self::state) in `store`.
    ///
    /// # Errors
    /// The store's. Then the last event counts as not dealt with.
    pub async fn acknowledge<S: DeltaStore>(&self, store: &S) -> Result<(), S::Error> {
        store.save(&self.state).await
    }

    /// The rest of the round at once, in memory: the last word about each object.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(&mut self) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        while let Some(event) = self.next().await? {
            match event {
                DeltaEvent::ResyncStarted { .. } => changes.clear(),
                DeltaEvent::Page(page) => changes.extend(page.changes),
                DeltaEvent::ResyncCompleted => {}
            }
        }
        Ok(last_wins(changes))
    }

    fn arrived(&mut self, page: &Page) -> Result<DeltaPage, Error> {
        let changes = page.items.iter().map(|item| Change::read(item)).collect::<Result<Vec<_>, _>>()?;
        match (&page.next_link, &page.delta_link) {
            (Some(next), _) => self.state.advance(next),
            (None, Some(link)) => {
                self.state.end_round(link, self.client.inner().clock.now());
                if self.state.awaits_sweep() {
                    self.ready.push_back(DeltaEvent::ResyncCompleted);
                } else {
                    self.is_over = true;
                }
            }
            (None, None) => {
                let reason = "the last page has no link to later changes: this is not a delta query";
                return Err(Error::new(Kind::Protocol(reason.to_owned())).about_url(&self.path));
            }
        }
        Ok(DeltaPage { changes, is_last: page.next_link.is_none() })
    }

    /// An API that refuses its own links for ever is not to be asked for ever.
    fn may_resync(&self) -> bool {
        const MOST: u32 = 3;
        self.resyncs < MOST && self.state.next_link().is_some()
    }

    /// Begins anew: the first time where the API says, if that is its own origin, else at the query itself.
    fn resync(&mut self, error: &Error) {
        let elsewhere = error.location().filter(|link| self.client.base().resolve(link).is_ok());
        let elsewhere = elsewhere.filter(|_| self.resyncs == 0);
        self.resyncs += 1;
        self.state.begin_resync(elsewhere.unwrap_or(&self.path));
        self.pages = None;
        self.ready.push_back(DeltaEvent::ResyncStarted { reason: ResyncReason::LinkExpired });
    }
}

/// Whether the API says that it cannot go on from a link.
fn needs_resync(error: &Error) -> bool {
    const CODES: [&str; 4] =
        ["resyncRequired", "syncStateNotFound", "syncStateInvalid", "Directory_ExpiredPageToken"];
    error.status() == Some(StatusCode::GONE)
        || (error.status().is_some_and(|status| status.is_client_error())
            && error.code().is_some_and(|code| CODES.iter().any(|known| known.eq_ignore_ascii_case(code))))
}

/// Links and changes hold people's data.
impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delta").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
