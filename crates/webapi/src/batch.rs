//! Many requests in one (`$batch`), each judged and retried alone.

mod dependencies;
mod item;
mod wire;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use unattended_core::redact_url;

use self::dependencies::Dependencies;
use self::item::Item;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::gate::{Access, Gate, Passage, StaysClosed};
use crate::limits::Pace;
use crate::payload::Payload;
use crate::request::{Headers, Request, RequestClass};

/// How many requests one batch may hold.
const MOST: usize = 20;

/// One request of a batch.
#[must_use = "nothing is sent before `Client::batch`"]
pub struct BatchRequest {
    id: String,
    method: Method,
    url: String,
    headers: Headers,
    body: Option<Result<Value, serde_json::Error>>,
    idempotent: bool,
    depends_on: Vec<String>,
}

impl BatchRequest {
    /// A request for `url`, relative to the client's base URL (`/users/1`). The id names it in the outcomes; it is
    /// unique in one call of [`Client::batch`], whatever its case.
    pub fn new(id: impl Into<String>, method: Method, url: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            method,
            url: url.into(),
            headers: Headers::default(),
            body: None,
            idempotent: false,
            depends_on: Vec::new(),
        }
    }

    pub(crate) fn with_headers(id: String, method: Method, url: &str, headers: Headers) -> Self {
        Self { headers, ..Self::new(id, method, url) }
    }

    /// Sets a header of this request. `Authorization` is refused: the batch carries the token.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: impl Serialize) -> Self {
        self.headers.set("content-type", "application/json");
        self.body = Some(serde_json::to_value(value));
        self
    }

    /// Is carried out after the requests with these ids, and only if they succeeded. Requests that depend on each
    /// other go in one batch, so there may be at most 20 of them.
    pub fn depends_on<I: Into<String>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        self.depends_on.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Declares that doing this twice is the same as doing it once.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

/// What became of one request.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchOutcome {
    /// The id that the caller gave.
    pub id: String,
    /// A 2xx answer (or [one for something already gone](BatchResponse::already_gone)), or why there is none.
    pub result: Result<BatchResponse, Error>,
}

/// A successful answer inside a batch.
#[derive(Clone)]
#[non_exhaustive]
pub struct BatchResponse {
    /// A 2xx status; `404` only with [`already_gone`](Self::already_gone).
    pub status: StatusCode,
    /// The headers of this answer.
    pub headers: HeaderMap,
    /// The body; null when there is none.
    pub body: Value,
    /// Whether this is a `DELETE` whose repetition found nothing left to delete.
    pub already_gone: bool,
}

// Bodies can hold passwords and people's data: they are in no debug output.

impl fmt::Debug for BatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRequest")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("url", &redact_url(&self.url))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BatchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResponse")
            .field("status", &self.status)
            .field("already_gone", &self.already_gone)
            .finish_non_exhaustive()
    }
}

/// Sends everything; errors only for what can never be sent.
pub(crate) async fn run(client: &Client, requests: Vec<BatchRequest>) -> Result<Vec<BatchOutcome>, Error> {
    let (items, dependencies) = checked(client, requests)?;
    let waiting = (0..items.len()).collect();
    let mut run = Run { client, items, dependencies, waiting, not_before: Duration::ZERO, stopped_by: None };
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < client.inner().batches_under_way {
            let Some(chunk) = run.next_chunk() else { break };
            match run.request_for(&chunk) {
                Ok(request) => {
                    let terms = run.terms_of(&chunk);
                    under_way.push(exchange(client, chunk, request, terms));
                }
                Err(error) => run.give_up(&chunk, error),
            }
        }
        match under_way.next().await {
            Some(Exchanged { chunk, sent_at, answers: Ok(mut answers) }) => {
                run.judge(&chunk, sent_at, &mut answers);
            }
            Some(Exchanged { chunk, answers: Err(error), .. }) => run.give_up(&chunk, error),
            None => break,
        }
        run.abandon();
    }
    Ok(run.items.into_iter().map(Item::into_outcome).collect())
}

/// What has to be waited for before a batch goes.
struct Terms<'a> {
    /// On the monotonic clock.
    not_before: Duration,
    /// What is kept to, under which name that is counted, and for how many requests.
    paces: Vec<(&'a Pace, String, u32)>,
    /// The parts of the API that throttle for themselves.
    parts: Vec<(Arc<Gate>, Passage)>,
}

/// A batch that was sent, or could not be.
struct Exchanged {
    chunk: Vec<usize>,
    /// On the monotonic clock.
    sent_at: Duration,
    answers: Result<wire::Answers, Error>,
}

/// One batch, as soon as its terms are met.
async fn exchange(client: &Client, chunk: Vec<usize>, request: Request, terms: Terms<'_>) -> Exchanged {
    let Terms { not_before, paces, parts } = terms;
    let inner = client.inner();
    let clock = &inner.clock;
    let wait = not_before.saturating_sub(clock.elapsed());
    if !wait.is_zero() {
        clock.sleep(wait).await;
    }
    for (pace, name, requests) in paces {
        // However long that is: a batch takes as long as what is in it.
        let turn =
            inner.origin.paces.take(&inner.owner, (pace, name), requests, Duration::MAX, clock.elapsed());
        let wait = turn.unwrap_or_default();
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }
    let mut permits = Vec::with_capacity(parts.len());
    for (gate, passage) in &parts {
        match gate.pass(*passage, inner.policy.deadline(), &**clock, &*inner.entropy).await {
            Ok(permit) => permits.push(permit),
            Err(StaysClosed { wait }) => {
                let closed = Error::new(Kind::GateClosed).retry_from(clock.now().checked_add(wait));
                let answers = Err(closed.about(&request));
                return Exchanged { chunk, sent_at: clock.elapsed(), answers };
            }
        }
    }
    let sent_at = clock.elapsed();
    let answers = match client.execute(&request).await {
        Ok(response) => wire::read(&response).map_err(|error| error.about(&request).ambiguous(true)),
        Err(error) => Err(error),
    };
    Exchanged { chunk, sent_at, answers }
}

struct Run<'a> {
    client: &'a Client,
    items: Vec<Item<'a>>,
    dependencies: Dependencies,
    /// Indices of the items that have no outcome yet: repeated ones first.
    waiting: VecDeque<usize>,
    /// When the next batch may go, on the monotonic clock.
    not_before: Duration,
    /// Why nothing more is sent.
    stopped_by: Option<Arc<Error>>,
}

impl<'a> Run<'a> {
    /// Up to 20 items. What depends on each other stays together.
    fn next_chunk(&mut self) -> Option<Vec<usize>> {
        let mut chunk: Vec<usize> = Vec::with_capacity(MOST);
        while let Some(&first) = self.waiting.front() {
            if self.dependencies.is_alone[first] {
                if chunk.len() == MOST || !self.has_room(&chunk, first) {
                    break;
                }
                self.waiting.pop_front();
                chunk.push(first);
                continue;
            }
            let group = &self.dependencies.group;
            let is_of_it = |index: &usize| group[*index] == group[first];
            let together: Vec<usize> = self.waiting.iter().copied().filter(is_of_it).collect();
            let mut grown = chunk.clone();
            let fits = together.iter().all(|&index| {
                let fits = grown.len() < MOST && self.has_room(&grown, index);
                grown.push(index);
                fits
            });
            // What has to stay together goes alone even if it is more than that.
            if !fits && !chunk.is_empty() {
                break;
            }
            self.waiting.retain(|index| !is_of_it(index));
            chunk.extend(together);
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Whether a batch may hold one more: of a mailbox not more than may be under way at once, of what has a small
    /// quota not more than that.
    fn has_room(&self, chunk: &[usize], index: usize) -> bool {
        let Item { part, pace, .. } = &self.items[index];
        let count = |is_like: &dyn Fn(&Item<'_>) -> bool| {
            u32::try_from(chunk.iter().filter(|other| is_like(&self.items[**other])).count())
                .unwrap_or(u32::MAX)
        };
        let part_is_full = part.as_ref().is_some_and(|(gate, is_narrow)| {
            let is_of_it =
                |other: &Item<'_>| other.part.as_ref().is_some_and(|(it, _)| Arc::ptr_eq(it, gate));
            *is_narrow && count(&is_of_it) >= gate.width()
        });
        let quota_is_full = pace.as_ref().is_some_and(|(pace, name)| {
            count(&|other| other.pace.as_ref().is_some_and(|(_, it)| it == name)) >= pace.at_once()
        });
        !part_is_full && !quota_is_full
    }

    fn terms_of(&self, chunk: &[usize]) -> Terms<'a> {
        let mut terms = Terms { not_before: self.not_before, paces: Vec::new(), parts: Vec::new() };
        for item in chunk.iter().map(|&index| &self.items[index]) {
            if let Some((pace, name)) = &item.pace {
                match terms.paces.iter_mut().find(|(_, known, _)| known == name) {
                    Some((.., requests)) => *requests += 1,
                    None => terms.paces.push((pace, name.clone(), 1)),
                }
            }
            let Some((gate, is_narrow)) = &item.part else { continue };
            let cost = self.client.cost(&item.method, &item.url);
            match terms.parts.iter_mut().find(|(known, _)| Arc::ptr_eq(known, gate)) {
                Some((_, passage)) => {
                    passage.access = passage.access.and(item.access());
                    passage.cost += cost;
                    passage.places += u32::from(*is_narrow);
                }
                None => {
                    let passage = Passage { access: item.access(), cost, places: 1 };
                    terms.parts.push((Arc::clone(gate), passage));
                }
            }
        }
        // Everybody who passes several does so in the same order, so that none waits for another in a circle.
        terms.parts.sort_unstable_by_key(|(gate, _)| Arc::as_ptr(gate).addr());
        terms
    }

    /// Takes each outcome, and queues what is sent again: with it go those that were not carried out because of it.
    fn judge(&mut self, chunk: &[usize], sent_at: Duration, answers: &mut wire::Answers) {
        let client = self.client.inner();
        for &index in chunk {
            self.items[index].first_sent.get_or_insert(sent_at);
        }
        // One batch more is one retry more, however many requests are in it.
        let mut allowed = None;
        let mut may_retry = || *allowed.get_or_insert_with(|| client.origin.budget.withdraw());
        let mut again: HashSet<usize> = HashSet::new();
        let mut answers: Vec<(usize, wire::Taken)> =
            chunk.iter().map(|&index| (index, answers.take(&self.items[index].id))).collect();
        // Predecessors first: their fate decides about the others.
        let mut settled = true;
        while settled {
            settled = false;
            let mut open = Vec::new();
            for (index, answer) in answers {
                let before = &self.dependencies.on[index];
                if !before.iter().all(|before| self.items[*before].result.is_some() || again.contains(before))
                {
                    open.push((index, answer));
                    continue;
                }
                settled = true;
                if answer.is_failed_dependency() && before.iter().any(|before| again.contains(before)) {
                    again.insert(index);
                } else if let Some(wait) = self.items[index].judge(answer, client, &mut may_retry) {
                    let until = client.clock.elapsed().saturating_add(wait);
                    self.not_before = self.not_before.max(until);
                    again.insert(index);
                }
            }
            answers = open;
        }
        for &index in chunk.iter().rev().filter(|index| again.contains(index)) {
            self.waiting.push_front(index);
        }
    }

    /// What goes into the batch. Who is done need not be waited for any more.
    fn wire(&self, index: usize) -> Value {
        let mut request = self.items[index].wire.clone();
        let before: Vec<&str> = self.dependencies.on[index]
            .iter()
            .filter(|before| self.items[**before].result.is_none())
            .map(|before| self.items[*before].id.as_str())
            .collect();
        if !before.is_empty() {
            request["dependsOn"] = before.into();
        }
        request
    }

    /// The batch as a whole is repeated only if that is safe for every item in it.
    fn request_for(&self, chunk: &[usize]) -> Result<Request, Error> {
        let unsafe_inside = chunk.iter().any(|&index| self.items[index].class == RequestClass::Unsafe);
        let mut headers = Headers::default();
        headers.set("content-type", "application/json");
        Ok(Request {
            method: Method::POST,
            uri: self.client.base().resolve("/$batch")?,
            headers: headers.to_map()?,
            body: Payload::Bytes(wire::write(chunk.iter().map(|&index| self.wire(index)).collect())),
            cost: chunk
                .iter()
                .map(|&index| self.client.cost(&self.items[index].method, &self.items[index].url))
                .sum(),
            access: self.access_of(chunk),
            class: if unsafe_inside { RequestClass::Unsafe } else { RequestClass::Idempotent },
        })
    }

    fn access_of(&self, chunk: &[usize]) -> Access {
        let access = chunk.iter().map(|&index| self.items[index].access());
        access.reduce(Access::and).unwrap_or(Access::Both)
    }

    /// The batch failed as a whole: its items share the error, and what was not sent yet is not sent any more.
    fn give_up(&mut self, chunk: &[usize], error: Error) {
        let error = Arc::new(error);
        for &index in chunk {
            let item = &mut self.items[index];
            let ambiguous = error.is_ambiguous() && item.class == RequestClass::Unsafe;
            item.result = Some(Err(Error::shared(&error).ambiguous(ambiguous)));
        }
        self.stopped_by.get_or_insert(error);
        self.abandon();
    }

    /// Sends nothing more once a batch has failed.
    fn abandon(&mut self) {
        let Some(error) = &self.stopped_by else { return };
        for index in std::mem::take(&mut self.waiting) {
            let unsent = Error::new(Kind::NotSent { transient: error.is_transient() })
                .retry_from(error.retry_at())
                .because(Arc::clone(error));
            self.items[index].result = Some(Err(unsent));
        }
    }
}

/// Everything that can be known to be wrong before anything is sent.
fn checked(client: &Client, requests: Vec<BatchRequest>) -> Result<(Vec<Item<'_>>, Dependencies), Error> {
    let mut known = HashSet::new();
    for request in &requests {
        if request.id.is_empty() || !known.insert(request.id.to_ascii_lowercase()) {
            let reason = format!("the id `{}` of a batch request is empty or used twice", request.id);
            return Err(Error::new(Kind::InvalidRequest(reason)));
        }
    }
    let ids: Vec<&str> = requests.iter().map(|request| request.id.as_str()).collect();
    let named: Vec<&[String]> = requests.iter().map(|request| request.depends_on.as_slice()).collect();
    let dependencies = Dependencies::resolve(&ids, &named, MOST)?;
    let items =
        requests.into_iter().map(|request| Item::checked(request, client)).collect::<Result<_, _>>()?;
    Ok((items, dependencies))
}
