//! A large collection, read part by part at the same time.
//!
//! A cursor is sequential: a thousand pages take a thousand round trips. So the collection is divided by how a property
//! begins, every part has a cursor of its own, and a part that turns out to be long is divided again. What a division
//! costs is a page that comes twice; objects are told apart by their `id` and handed over once.
//!
//! Neither cursors nor parts are snapshots. What happens while they are read is told by a delta query that begins
//! before them: the objects that have changed by the end are handed over as they are then.

mod part;
mod plan;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use futures_util::future;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use self::part::Part;
use self::plan::{IDS, Plan};
use crate::client::Client;
use crate::delta::{Delta, DeltaEvent, DeltaState};
use crate::error::{Error, Kind};
use crate::pages::{Page, Pages};
use crate::seen::{Seen, id_of};

/// How many pages a part may have at least before it is divided. A division costs up to forty requests, most of them for
/// very little, so that it has to spare more round trips than that.
const LONGEST: u64 = 20;

/// A collection that is read part by part at the same time. Needs a tokio runtime.
///
/// [`next`](Self::next) may be dropped and called again, and after an error it goes on with the page that failed. As
/// many pages are in memory as are read at the same time, and about 20 bytes for each object.
#[must_use = "nothing is sent before `next`"]
pub struct ParallelRead {
    client: Client,
    path: String,
    by: Option<String>,
    headers: Vec<(String, String)>,
    width: usize,
    phase: Phase,
    /// How many objects the API says there are.
    count: Option<u64>,
    /// How many pages a part may have before it is divided.
    longest: u64,
    /// The most urgent first; the number keeps those that are as urgent in their order.
    waiting: BTreeMap<(Reverse<u64>, u64), Part>,
    end_of_line: u64,
    reading: JoinSet<(Part, Result<Option<Page>, Error>)>,
    seen: Seen,
    without_id: u64,
    end: ParallelEnd,
}

enum Phase {
    Planned,
    Reading(Plan, Option<DeltaState>),
    /// Which objects have changed meanwhile, and whether they are gone.
    CatchingUp(Plan, Box<Delta>, BTreeMap<String, bool>),
    /// Those that are gone and have to be told, and those that have to be read again.
    ReadingAgain(Plan, Vec<String>, VecDeque<String>),
    Counting(Plan),
    Over,
    /// A part is lost, so there is no way to a complete end.
    Broken(&'static str),
}

/// What the reading of a collection in parallel brings.
#[derive(Debug)]
#[non_exhaustive]
pub enum ParallelEvent {
    /// Objects, each exactly as the API wrote it. None of them has come before.
    Items(Vec<Box<RawValue>>),
    /// Objects that have changed or appeared while the collection was read, as they are now. The last word about each.
    Changed(Vec<Box<RawValue>>),
    /// The ids of objects that have come and are not in the collection any more.
    Removed(Vec<String>),
}

/// How reading a collection in parallel ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ParallelEnd {
    /// How many objects there are: those that came less those that were removed.
    pub items: u64,
    /// Pages read.
    pub pages: u64,
    /// Parts read.
    pub parts: u64,
    /// How often an object came again and was left out.
    pub repeated: u64,
    /// How many objects were handed over as [changed](ParallelEvent::Changed).
    pub changed: u64,
    /// How many objects were handed over as [removed](ParallelEvent::Removed).
    pub removed: u64,
    /// How often a part was begun anew, because the API no longer knew where it was.
    pub restarted: u64,
    /// How many objects the API counts; `None` if it does not.
    pub count: Option<u64>,
    /// Whether what changed meanwhile was told at the end.
    pub is_converged: bool,
}

impl ParallelEnd {
    /// By how much what the API counts differs from what came; zero if it does not count.
    #[must_use]
    pub fn difference(&self) -> u64 {
        self.count.map_or(0, |count| count.abs_diff(self.items))
    }
}

impl ParallelRead {
    pub(crate) fn new(client: Client, path: &str) -> Self {
        Self {
            client,
            path: path.to_owned(),
            by: None,
            headers: Vec::new(),
            width: 64,
            phase: Phase::Planned,
            count: None,
            longest: LONGEST,
            waiting: BTreeMap::new(),
            end_of_line: 0,
            reading: JoinSet::new(),
            seen: Seen::default(),
            without_id: 0,
            end: ParallelEnd::default(),
        }
    }

    /// Sets a header of every page.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many pages are asked for at the same time at most; 64 by default. The client's own limits hold besides.
    pub fn width(mut self, pages: usize) -> Self {
        self.width = pages.max(1);
        self
    }

    /// Divides by this property, of any collection whose API filters by `startswith` and `not`. What changes meanwhile
    /// is then not told.
    pub fn by(mut self, property: &str) -> Self {
        self.by = Some(property.to_owned());
        self
    }

    /// What came next; `None` once everything has come.
    ///
    /// # Errors
    /// As [`Pages::next`], and a collection or query that [has no parts](Error::is_not_divisible). Nothing has been
    /// sent then.
    pub async fn next(&mut self) -> Result<Option<ParallelEvent>, Error> {
        loop {
            let event = match &mut self.phase {
                Phase::Planned => self.begin().await.map(|()| None),
                Phase::Reading(..) => self.read().await,
                Phase::CatchingUp(..) => self.catch_up().await.map(|()| None),
                Phase::ReadingAgain(..) => self.read_again().await,
                Phase::Counting(_) => self.settle().await.map(|()| None),
                Phase::Over => return Ok(None),
                Phase::Broken(reason) => {
                    Err(Error::new(Kind::Protocol((*reason).to_owned())).about_url(&self.path))
                }
            }?;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// How many objects the API said there are, once the reading has begun.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.count
    }

    /// How it ended; `None` until then.
    #[must_use]
    pub fn end(&self) -> Option<&ParallelEnd> {
        matches!(self.phase, Phase::Over).then_some(&self.end)
    }

    async fn begin(&mut self) -> Result<(), Error> {
        let plan = Plan::of(&self.path, self.by.as_deref(), self.client.base())?;
        let (link, count) = future::join(latest(&self.client, &plan), self.ask_count(&plan)).await;
        let link = link?;
        self.count = count?;
        let whole = Part::whole();
        self.seen.expect(self.count.unwrap_or_default());
        let length = self.count.zip(plan.page()).map_or(1, |(count, page)| count.div_ceil(page));
        // Everything takes so many round trips at best: a part that takes half as many again need not be shorter.
        self.longest = LONGEST.max(length / self.width as u64 * 3 / 2);
        let parts = if length > LONGEST { whole.divide() } else { None };
        parts.unwrap_or_else(|| vec![whole]).into_iter().for_each(|part| self.wait(part));
        self.phase = Phase::Reading(plan, link);
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<ParallelEvent>, Error> {
        let Phase::Reading(plan, link) = &self.phase else { return Ok(None) };
        while self.reading.len() < self.width {
            let Some((_, mut part)) = self.waiting.pop_first() else { break };
            let mut pages = part.pages.take().unwrap_or_else(|| self.pages(&plan.part(&part), true));
            let reading = async move {
                let page = pages.next().await;
                part.pages = Some(pages);
                (part, page)
            };
            self.reading.spawn(reading.in_current_span());
        }
        match self.reading.join_next().await {
            Some(Ok((part, Ok(Some(page))))) => self.arrived(part, page),
            Some(Ok((_, Ok(None)))) => Ok(None),
            Some(Ok((part, Err(error)))) => match part.again().filter(|_| is_expired(&error)) {
                Some(again) => {
                    self.end.restarted += 1;
                    self.wait(again);
                    Ok(None)
                }
                None => {
                    self.wait(part);
                    Err(error)
                }
            },
            Some(Err(lost)) => Err(self.lost(&lost)),
            None => {
                let next = match (plan.changes(), link) {
                    (Some(path), Some(link)) => Box::new(self.client.delta(&path, Some(link.clone()))),
                    _ => return Ok(self.go_on(Phase::Counting)),
                };
                Ok(self.go_on(|plan| Phase::CatchingUp(plan, next, BTreeMap::new())))
            }
        }
    }

    fn arrived(&mut self, mut part: Part, page: Page) -> Result<Option<ParallelEvent>, Error> {
        let Phase::Reading(plan, _) = &self.phase else { return Ok(None) };
        part.came(&page, plan.property(), self.longest);
        self.end.pages += 1;
        if part.pages.as_ref().is_some_and(|pages| pages.end().is_none()) {
            let smaller = if part.length() > self.longest { part.divide() } else { None };
            smaller.unwrap_or_else(|| vec![part]).into_iter().for_each(|part| self.wait(part));
        } else {
            self.end.parts += 1;
        }
        let mut items = page.items;
        self.end.repeated += self.seen.keep_new(&mut items);
        self.without_id += items.iter().filter(|item| id_of(item).is_none()).count() as u64;
        // Each division repeats a page or a few; an API that does not filter repeats everything with each part.
        if self.end.repeated > 3 * self.seen.len() + 50_000 {
            self.reading.abort_all();
            self.phase =
                Phase::Broken("every part brings the same objects: the API does not filter by `startswith`");
            return Ok(None);
        }
        Ok((!items.is_empty()).then_some(ParallelEvent::Items(items)))
    }

    /// Finds out what has changed since before the first part was read.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let Phase::CatchingUp(_, delta, touched) = &mut self.phase else { return Ok(()) };
        match delta.next().await? {
            Some(DeltaEvent::Page(page)) => {
                let changes = page.changes.into_iter();
                touched.extend(changes.filter_map(|change| Some((change.id?, change.removed.is_some()))));
            }
            // The link is lost, so nobody can tell any more what has happened since.
            Some(_) => _ = self.go_on(Phase::Counting),
            None => {
                let (gone, changed): (Vec<_>, Vec<_>) =
                    std::mem::take(touched).into_iter().partition(|(_, is_gone)| *is_gone);
                let ids = |list: Vec<(String, bool)>| list.into_iter().map(|(id, _)| id);
                let (gone, changed) = (ids(gone).collect(), ids(changed).collect());
                self.end.is_converged = true;
                self.go_on(|plan| Phase::ReadingAgain(plan, gone, changed));
            }
        }
        Ok(())
    }

    /// Reads what has changed, as it is now: a delta tells but the properties that changed.
    async fn read_again(&mut self) -> Result<Option<ParallelEvent>, Error> {
        let Phase::ReadingAgain(plan, gone, changed) = &mut self.phase else { return Ok(None) };
        gone.retain(|id| self.seen.remove(id));
        if !gone.is_empty() {
            let gone = std::mem::take(gone);
            self.end.removed += gone.len() as u64;
            return Ok(Some(ParallelEvent::Removed(gone)));
        }
        let ids: Vec<String> = changed.iter().take(IDS).cloned().collect();
        if ids.is_empty() {
            return Ok(self.go_on(Phase::Counting));
        }
        let path = plan.objects(&ids);
        let page = self.pages(&path, path.contains("$count=true")).next().await?;
        let Phase::ReadingAgain(_, gone, changed) = &mut self.phase else { return Ok(None) };
        changed.drain(..ids.len());
        let items = page.map(|page| page.items).unwrap_or_default();
        let found: BTreeSet<_> = items.iter().filter_map(|item| id_of(item)).collect();
        gone.extend(ids.into_iter().filter(|id| !found.contains(id.as_str())));
        found.iter().for_each(|id| _ = self.seen.insert(id));
        self.end.changed += items.len() as u64;
        Ok((!items.is_empty()).then_some(ParallelEvent::Changed(items)))
    }

    /// Compares with what the API counts: if that differs, with what it counts now.
    async fn settle(&mut self) -> Result<(), Error> {
        let Phase::Counting(plan) = &self.phase else { return Ok(()) };
        self.end.items = self.seen.len() + self.without_id;
        if self.count.is_some_and(|count| count != self.end.items) {
            self.count = self.ask_count(plan).await?;
        }
        self.end.count = self.count;
        self.phase = Phase::Over;
        Ok(())
    }

    /// The next phase keeps the plan.
    fn go_on(&mut self, next: impl FnOnce(Plan) -> Phase) -> Option<ParallelEvent> {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Reading(plan, _)
            | Phase::CatchingUp(plan, ..)
            | Phase::ReadingAgain(plan, ..)
            | Phase::Counting(plan) => next(plan),
            other @ (Phase::Planned | Phase::Over | Phase::Broken(_)) => other,
        };
        None
    }

    fn lost(&mut self, lost: &JoinError) -> Error {
        let reason =
            if lost.is_panic() { "the reading of a part failed" } else { "the runtime is shutting down" };
        self.phase = Phase::Broken(reason);
        Error::new(Kind::Protocol(reason.to_owned())).about_url(&self.path)
    }

    fn wait(&mut self, part: Part) {
        self.end_of_line += 1;
        self.waiting.insert((Reverse(part.urgency()), self.end_of_line), part);
    }

    /// Conditions with `not` are answered from an index, which has to be asked for, and so are counts.
    fn pages(&self, path: &str, is_advanced: bool) -> Pages {
        let pages = Pages::new(self.client.clone(), self.client.base().resolve(path)).without_reading_ahead();
        let pages = if is_advanced { pages.header("ConsistencyLevel", "eventual") } else { pages };
        self.headers.iter().fold(pages, |pages, (name, value)| pages.header(name, value))
    }

    /// How many objects there are; `None` if the API does not count them.
    async fn ask_count(&self, plan: &Plan) -> Result<Option<u64>, Error> {
        const UNKNOWN: [u16; 4] = [400, 404, 405, 501];
        let request = self.client.get(&plan.count()).header("ConsistencyLevel", "eventual");
        let request = request.header("Accept", "text/plain");
        match self
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .send()
            .await
        {
            Ok(response) => {
                let text = String::from_utf8_lossy(response.body());
                Ok(text.trim_start_matches('\u{feff}').trim().parse().ok())
            }
            Err(error) if error.status().is_some_and(|status| UNKNOWN.contains(&status.as_u16())) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A link from which the changes after this moment can be read.
async fn latest(client: &Client, plan: &Plan) -> Result<Option<DeltaState>, Error> {
    let Some(path) = plan.changes() else { return Ok(None) };
    let mut delta = client.delta(&path, None);
    while delta.next().await?.is_some() {}
    Ok(Some(delta.state().clone()))
}

/// Whether the API no longer knows where a cursor was.
fn is_expired(error: &Error) -> bool {
    error.status() == Some(StatusCode::GONE)
        || (error.status() == Some(StatusCode::BAD_REQUEST)
            && error.code().is_some_and(|code| code.eq_ignore_ascii_case("Directory_ExpiredPageToken")))
}

impl fmt::Debug for ParallelRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelRead")
            .field("waiting", &self.waiting.len())
            .field("reading", &self.reading.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
