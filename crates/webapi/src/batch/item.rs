//! One request of a batch on its way to its outcome.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;
use unattended_core::retry_after;

use super::wire::{self, Answer, Taken};
use super::{BatchOutcome, BatchRequest, BatchResponse};
use crate::client::{Client, Inner};
use crate::error::{Attempt, Error, Kind, Withheld};
use crate::gate::{Access, Gate};
use crate::limits::Pace;
use crate::odata_error::ErrorBody;
use crate::permissions;
use crate::query;
use crate::request::RequestClass;
use crate::retry::{Decision, Outcome, decide};

/// A request that can be sent, as often as that takes.
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) class: RequestClass,
    pub(super) wire: Value,
    /// The gate of the part of the API that it is for, and whether not more than a few may be under way there.
    pub(super) part: Option<(Arc<Gate>, bool)>,
    /// What it has to keep to, and under which name that is counted.
    pub(super) pace: Option<(&'a Pace, String)>,
    /// On the monotonic clock.
    pub(super) first_sent: Option<Duration>,
    pub(super) result: Option<Result<BatchResponse, Error>>,
    headers: HeaderMap,
    counted: u32,
    may_have_acted: bool,
    attempts: Vec<Attempt>,
}

impl<'a> Item<'a> {
    /// Refuses what can be known to be wrong before it is sent.
    pub(super) fn checked(mut request: BatchRequest, client: &'a Client) -> Result<Self, Error> {
        let url = if request.method == Method::GET && client.completes_queries() {
            let (url, is_advanced) = query::completed(&request.url);
            if is_advanced {
                request.headers.set_default(query::CONSISTENCY);
            }
            url.into_owned()
        } else {
            request.url.clone()
        };
        let BatchRequest { id, method, headers, body, idempotent, .. } = request;
        let refused =
            |reason: &str| Error::new(Kind::InvalidRequest(reason.to_owned())).about_subject(&method, &url);
        if !url.starts_with('/') || url.starts_with("//") || url.contains('#') {
            return Err(refused("the URL of a batch request is a path below the base URL, such as /users/1"));
        }
        let headers = headers.to_map()?;
        let body = match body {
            None => None,
            Some(Ok(body)) => Some(body),
            Some(Err(error)) => return Err(refused("the body cannot be written as JSON").because(error)),
        };
        if body.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
            return Err(refused("a batch request with a body needs a content type"));
        }
        Ok(Self {
            class: RequestClass::of(&method, &headers, idempotent),
            wire: wire::request(&id, &method, &url, &headers, body),
            part: client.inner().gate_of_part(&url),
            pace: client.inner().limits.as_ref().and_then(|limits| limits.pace(&url)),
            id,
            method,
            url,
            headers,
            first_sent: None,
            counted: 0,
            may_have_acted: false,
            attempts: Vec::new(),
            result: None,
        })
    }

    pub(super) fn access(&self) -> Access {
        Access::of(&self.method)
    }

    /// Takes the outcome, or says how long to wait before this item is sent again.
    pub(super) fn judge(
        &mut self,
        answer: Taken,
        client: &Inner,
        may_retry: &mut impl FnMut() -> bool,
    ) -> Option<Duration> {
        let answer = match answer {
            Taken::One(answer) => answer,
            Taken::Missing => return self.end_unanswered("the batch was answered, but not this request"),
            Taken::Several => {
                return self.end_unanswered("the batch answered this request more than once");
            }
        };
        let gone =
            answer.status == StatusCode::NOT_FOUND && self.method == Method::DELETE && self.may_have_acted;
        let asked = retry_after(&answer.headers, client.clock.now());
        self.tell_gate(&answer, asked, client);
        if answer.status.is_success() || gone {
            let Answer { status, headers, body } = answer;
            self.result = Some(Ok(BatchResponse { status, headers, body, already_gone: gone }));
            return None;
        }

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
        self.attempts.push(Attempt { status: Some(answer.status), request_id: body.request_id, wait });

        let error = match decision {
            Decision::Retry { wait } if asked.is_some() || may_retry() => {
                client.origin.counters.repeated(outcome.reason(false));
                return Some(wait);
            }
            Decision::Retry { .. } => {
                let ambiguous = self.may_have_acted && self.class == RequestClass::Unsafe;
                error.withheld(Withheld::Budget).ambiguous(ambiguous)
            }
            Decision::Stop => {
                let error = query::explain(error, &self.url, &self.headers).ambiguous(done_before);
                permissions::explain(error, &self.method, &self.url)
            }
            Decision::Ambiguous => error.ambiguous(true),
            Decision::Exhausted { wait } => {
                error.retry_from(asked.and_then(|_| client.clock.now().checked_add(wait)))
            }
        };
        self.end(error)
    }

    /// A refusal inside a batch is one for everybody: each request is counted alone.
    fn tell_gate(&self, answer: &Answer, asked: Option<Duration>, client: &Inner) {
        let part = self.part.as_ref().map(|(gate, _)| &**gate);
        if let Some(gate) = part {
            gate.learn(answer.status, &answer.headers, &*client.clock);
        }
        client.heed(part.unwrap_or(&client.gate), &self.url, (answer.status, &answer.headers), asked);
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

    pub(super) fn into_outcome(self) -> BatchOutcome {
        let result = self
            .result
            .unwrap_or_else(|| Err(Error::new(Kind::Protocol("the request was never sent".to_owned()))));
        BatchOutcome { id: self.id, result }
    }
}
