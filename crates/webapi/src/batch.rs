//! Many requests in one (`$batch`), each judged and retried alone.

mod dependencies;
mod wire;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use unattended_core::{redact_url, retry_after};

use self::dependencies::Dependencies;
use crate::client::{Client, Inner};
use crate::error::{Attempt, Error, Kind, Withheld};
use crate::odata_error::ErrorBody;
use crate::payload::Payload;
use crate::request::{Headers, Request, RequestClass};
use crate::retry::{Decision, Outcome, decide};

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
    let (items, dependencies) = checked(requests)?;
    let waiting = (0..items.len()).collect();
    let mut run = Run { client, items, dependencies, waiting, not_before: Duration::ZERO, stopped_by: None };
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < client.inner().batches_under_way {
            let Some(chunk) = run.next_chunk() else { break };
            match run.request_for(&chunk) {
                Ok(request) => under_way.push(exchange(client, chunk, request, run.not_before)),
                Err(error) => run.give_up(&chunk, error),
            }
        }
        match under_way.next().await {
            Some((chunk, Ok(mut answers))) => run.judge(&chunk, &mut answers),
            Some((chunk, Err(error))) => run.give_up(&chunk, error),
            None => break,
        }
        run.abandon();
    }
    Ok(run.items.into_iter().map(Item::into_outcome).collect())
}

/// One batch, not before a time on the monotonic clock.
async fn exchange(
    client: &Client,
    chunk: Vec<usize>,
    request: Request,
    not_before: Duration,
) -> (Vec<usize>, Result<wire::Answers, Error>) {
    let clock = &client.inner().clock;
    let wait = not_before.saturating_sub(clock.elapsed());
    if !wait.is_zero() {
        clock.sleep(wait).await;
    }
    let answers = match client.execute(&request).await {
        Ok(response) => wire::read(&response).map_err(|error| error.about(&request).ambiguous(true)),
        Err(error) => Err(error),
    };
    (chunk, answers)
}

struct Run<'a> {
    client: &'a Client,
    items: Vec<Item>,
    dependencies: Dependencies,
    /// Indices of the items that have no outcome yet: repeated ones first.
    waiting: VecDeque<usize>,
    /// When the next batch may go, on the monotonic clock.
    not_before: Duration,
    /// Why nothing more is sent.
    stopped_by: Option<Arc<Error>>,
}

struct Item {
    id: String,
    method: Method,
    url: String,
    class: RequestClass,
    wire: Value,
    first_sent: Option<Duration>,
    counted: u32,
    may_have_acted: bool,
    attempts: Vec<Attempt>,
    result: Option<Result<BatchResponse, Error>>,
}

impl Run<'_> {
    /// Up to 20 items. What depends on each other stays together.
    fn next_chunk(&mut self) -> Option<Vec<usize>> {
        let mut chunk: Vec<usize> = Vec::with_capacity(MOST);
        while let Some(&first) = self.waiting.front() {
            if self.dependencies.is_alone[first] {
                if chunk.len() == MOST {
                    break;
                }
                self.waiting.pop_front();
                chunk.push(first);
                continue;
            }
            let group = &self.dependencies.group;
            let is_of_it = |index: &usize| group[*index] == group[first];
            let together: Vec<usize> = self.waiting.iter().copied().filter(is_of_it).collect();
            if chunk.len() + together.len() > MOST {
                break;
            }
            self.waiting.retain(|index| !is_of_it(index));
            chunk.extend(together);
        }
        let sent_at = self.client.inner().clock.elapsed().max(self.not_before);
        for &index in &chunk {
            self.items[index].first_sent.get_or_insert(sent_at);
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Takes each outcome, and queues what is sent again: with it go those that were not carried out because of it.
    fn judge(&mut self, chunk: &[usize], answers: &mut wire::Answers) {
        let client = self.client.inner();
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
            class: if unsafe_inside { RequestClass::Unsafe } else { RequestClass::Idempotent },
        })
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

impl Item {
    /// Takes the outcome, or says how long to wait before this item is sent again.
    fn judge(
        &mut self,
        answer: wire::Taken,
        client: &Inner,
        may_retry: &mut impl FnMut() -> bool,
    ) -> Option<Duration> {
        let answer = match answer {
            wire::Taken::One(answer) => answer,
            wire::Taken::Missing => {
                return self.end_unanswered("the batch was answered, but not this request");
            }
            wire::Taken::Several => {
                return self.end_unanswered("the batch answered this request more than once");
            }
        };
        let gone =
            answer.status == StatusCode::NOT_FOUND && self.method == Method::DELETE && self.may_have_acted;
        if answer.status.is_success() || gone {
            let wire::Answer { status, headers, body } = answer;
            self.result = Some(Ok(BatchResponse { status, headers, body, already_gone: gone }));
            return None;
        }

        let asked = retry_after(&answer.headers, client.clock.now());
        let outcome = Outcome::Status { status: answer.status, retry_after: asked };
        let body = ErrorBody::of(&answer.body).or_request_id_of(&answer.headers);
        let elapsed = client.clock.elapsed().saturating_sub(self.first_sent.unwrap_or_default());
        self.counted += u32::from(client.policy.counts(outcome));
        let decision =
            decide(self.class, outcome, self.counted.max(1), elapsed, &client.policy, client.entropy.unit());
        let error = Error::refused_with(answer.status, body.clone());
        let done_before = self.may_have_acted
            && ((self.method == Method::POST && error.is_conflict()) || error.is_precondition_failed());
        self.may_have_acted |= outcome.may_have_acted();
        let wait = if let Decision::Retry { wait } = decision { wait } else { Duration::ZERO };
        self.attempts.push(Attempt {
            status: Some(answer.status),
            request_id: body.request_id.clone(),
            wait,
        });

        let error = Error::refused_with(answer.status, body);
        let error = match decision {
            Decision::Retry { wait } if asked.is_some() || may_retry() => return Some(wait),
            Decision::Retry { .. } => {
                let ambiguous = self.may_have_acted && self.class == RequestClass::Unsafe;
                error.withheld(Withheld::Budget).ambiguous(ambiguous)
            }
            Decision::Stop => error.ambiguous(done_before),
            Decision::Ambiguous => error.ambiguous(true),
            Decision::Exhausted { wait } => {
                error.retry_from(asked.and_then(|_| client.clock.now().checked_add(wait)))
            }
        };
        self.end(error)
    }

    fn end_unanswered(&mut self, reason: &str) -> Option<Duration> {
        let ambiguous = self.class == RequestClass::Unsafe;
        self.end(Error::new(Kind::Protocol(reason.to_owned())).ambiguous(ambiguous))
    }

    fn end(&mut self, error: Error) -> Option<Duration> {
        let error = error.after(std::mem::take(&mut self.attempts)).about_subject(&self.method, &self.url);
        self.result = Some(Err(error));
        None
    }

    fn into_outcome(self) -> BatchOutcome {
        let result = self
            .result
            .unwrap_or_else(|| Err(Error::new(Kind::Protocol("the request was never sent".to_owned()))));
        BatchOutcome { id: self.id, result }
    }
}

/// Everything that can be known to be wrong before anything is sent.
fn checked(requests: Vec<BatchRequest>) -> Result<(Vec<Item>, Dependencies), Error> {
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
    let items = requests.into_iter().map(BatchRequest::into_item).collect::<Result<_, _>>()?;
    Ok((items, dependencies))
}

impl BatchRequest {
    fn into_item(self) -> Result<Item, Error> {
        let refused = |reason: &str| {
            Error::new(Kind::InvalidRequest(reason.to_owned())).about_subject(&self.method, &self.url)
        };
        if !self.url.starts_with('/') || self.url.starts_with("//") || self.url.contains('#') {
            return Err(refused("the URL of a batch request is a path below the base URL, such as /users/1"));
        }
        let headers = self.headers.to_map()?;
        let body = match self.body {
            None => None,
            Some(Ok(body)) => Some(body),
            Some(Err(ref error)) => {
                return Err(refused("the body cannot be written as JSON").because(error.to_string()));
            }
        };
        if body.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
            return Err(refused("a batch request with a body needs a content type"));
        }
        Ok(Item {
            class: RequestClass::of(&self.method, &headers, self.idempotent),
            wire: wire::request(&self.id, &self.method, &self.url, &headers, body),
            id: self.id,
            method: self.method,
            url: self.url,
            first_sent: None,
            counted: 0,
            may_have_acted: false,
            attempts: Vec::new(),
            result: None,
        })
    }
}
