//! A request of a local program, from the peer check to the answer.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use serde_json::json;
use unattended_core::{Clock, TokenSource, redact_tokens, within};
use unattended_webapi::{Client, Error};

use crate::peer::Peer;
use crate::policy::Policy;
use crate::refusal::{Refusal, json_response};
use crate::route::METHODS;
use crate::target::{TOKEN, Target};
use crate::{all_pages, call, lend, vetting};

/// The longest body that is taken from a caller: that of the largest single request of Microsoft Graph.
const LONGEST_BODY: usize = 4 << 20;

/// How long a caller may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What a caller gets; an error in it breaks the connection off.
pub type AnswerBody = UnsyncBoxBody<Bytes, Error>;

/// One API as the sidecar calls it.
#[derive(Clone, Debug)]
pub struct Api {
    /// Calls it.
    pub client: Client,
    /// Its tokens, for callers that may borrow them.
    pub tokens: Arc<dyn TokenSource>,
}

/// Answers local programs.
#[derive(Debug)]
pub struct Sidecar {
    apis: BTreeMap<String, Api>,
    policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sidecar {
    /// A sidecar for these APIs by name, under this policy.
    ///
    /// # Errors
    /// An API is called `token`, which is the place where tokens are lent.
    pub fn new(
        apis: BTreeMap<String, Api>,
        policy: Policy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ReservedName> {
        if apis.contains_key(TOKEN) { Err(ReservedName) } else { Ok(Self { apis, policy, clock }) }
    }

    /// The names of the APIs.
    pub fn apis(&self) -> impl Iterator<Item = &str> {
        self.apis.keys().map(String::as_str)
    }

    /// Who may call what.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Answers one request of a peer. Dropping the future abandons the call; whether the API acted is then unknown.
    pub async fn answer<B>(&self, peer: Peer, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let Parts { method, uri, .. } = &head;
        let (path, pid) = (uri.path(), peer.pid);
        let answered = |status: StatusCode| {
            tracing::debug!(caller = %peer, pid, %method, path, status = status.as_u16(), "answered");
        };
        match self.try_answer(peer, &head, body).await {
            Ok(response) => {
                answered(response.status());
                response
            }
            // The API's own errors are between it and the caller.
            Err(refusal) if refusal.is_of_the_api() => {
                answered(refusal.status);
                refusal.into_response()
            }
            Err(refusal) => {
                let (status, code) = (refusal.status.as_u16(), refusal.code());
                tracing::warn!(caller = %peer, pid, %method, path, status, code, "not passed on");
                refusal.into_response()
            }
        }
    }

    async fn try_answer<B>(&self, peer: Peer, head: &Parts, body: B) -> Result<Response<AnswerBody>, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        if !self.policy.knows(peer) {
            return Err(Refusal::forbidden(
                "caller_not_allowed",
                format!("{peer} may not call anything here"),
            )
            .detail("caller", peer.to_string())
            .hint("an administrator adds the user to `allow` in [sidecar]"));
        }
        vetting::vet(&head.headers)?;
        match Target::of(&head.uri)? {
            Target::Index => {
                only_get(&head.method)?;
                Ok(self.index(peer))
            }
            Target::Token { api } => {
                only_get(&head.method)?;
                self.lend(peer, api).await
            }
            Target::Call { api, path, resolved, query } => {
                if !METHODS.contains(&head.method) {
                    return Err(Refusal::no_such_method());
                }
                let client = &self.api(peer, api)?.client;
                self.policy.check(peer, api, &head.method, path, &resolved).map_err(|allowed| {
                    let asked = redact_tokens(&format!("{} {path}", head.method));
                    Refusal::forbidden("route_not_allowed", format!("{peer} may not {asked} of `{api}`"))
                        .detail("caller", peer.to_string())
                        .detail("allowed", allowed)
                })?;
                let mut headers = call::passed_on(&head.headers)?;
                let wants_all = all_pages::take_preference(&mut headers);
                let path = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
                let now = || self.clock.now();
                if !wants_all {
                    let body = self.read(body).await?;
                    return call::call(client, head.method.clone(), &path, &headers, body, now).await;
                }
                if head.method != Method::GET {
                    return Err(Refusal::bad_request(
                        "not_a_list",
                        format!("`Prefer: {}` is for GET", all_pages::ALL_PAGES),
                    ));
                }
                all_pages::read(client, &path, &headers, now).await
            }
        }
    }

    /// What the peer may do.
    fn index(&self, peer: Peer) -> Response<AnswerBody> {
        let apis: serde_json::Map<String, serde_json::Value> = self
            .apis
            .keys()
            .filter(|api| self.policy.covers(peer, api))
            .map(|api| {
                let routes = self.policy.routes(peer, api);
                (api.clone(), json!({ "routes": routes, "lends_tokens": self.policy.lends(peer, api) }))
            })
            .collect();
        json_response(StatusCode::OK, &json!({ "caller": peer.to_string(), "apis": apis }))
    }

    async fn lend(&self, peer: Peer, name: &str) -> Result<Response<AnswerBody>, Refusal> {
        let api = self.api(peer, name)?;
        if !self.policy.lends(peer, name) {
            return Err(Refusal::forbidden(
                "token_not_lent",
                format!("{peer} may call `{name}` but not have its token"),
            )
            .detail("caller", peer.to_string())
            .hint(format!("call /{name}/... instead: the token is added on the way")));
        }
        let response = lend::lend(&*api.tokens, &*self.clock).await?;
        tracing::info!(caller = %peer, pid = peer.pid, api = name, "a token was lent");
        Ok(response)
    }

    /// The API, if the peer may call it at all. What it may not call, it gets no hint of.
    fn api(&self, peer: Peer, name: &str) -> Result<&Api, Refusal> {
        if let Some(api) = self.apis.get(name) {
            return if self.policy.covers(peer, name) {
                Ok(api)
            } else {
                Err(Refusal::forbidden("api_not_allowed", format!("{peer} may not call `{name}`"))
                    .detail("caller", peer.to_string())
                    .hint("an administrator adds the API to `apis` of this user in [sidecar]"))
            };
        }
        let own: Vec<&str> = self.apis().filter(|api| self.policy.covers(peer, api)).collect();
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "unknown_api", format!("there is no API `{name}`"));
        Err(match nearest(name, &own) {
            Some(meant) => refusal.hint(format!("did you mean /{meant}/?")),
            None => refusal.hint("the first part of the path is the name of an API: GET / lists them"),
        })
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let too_long = || {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_long",
                format!("the body has more than {LONGEST_BODY} bytes"),
            )
        };
        if body.size_hint().lower() > LONGEST_BODY as u64 {
            return Err(too_long());
        }
        let read = std::pin::pin!(Limited::new(body, LONGEST_BODY).collect());
        match within(&*self.clock, BODY_TIMEOUT, read).await {
            Some(Ok(body)) => Ok(body.to_bytes()),
            Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
            Some(Err(_)) => {
                Err(Refusal::bad_request("incomplete_body", "the body did not arrive to its end"))
            }
            None => Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                format!("the body took longer than {} seconds", BODY_TIMEOUT.as_secs()),
            )),
        }
    }
}

fn only_get(method: &Method) -> Result<(), Refusal> {
    if method == Method::GET { Ok(()) } else { Err(Refusal::method_not_allowed(&[Method::GET])) }
}

/// The name that was probably meant, with few typing mistakes.
fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let limit = (given.chars().count() / 3).max(1);
    let candidates = known.iter().map(|name| (distance(name), *name));
    candidates.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// An API is called `token`, which is where tokens are lent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReservedName;

impl fmt::Display for ReservedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an API cannot be called `token` here: GET /token/{api} is where tokens are lent")
    }
}

impl StdError for ReservedName {}
