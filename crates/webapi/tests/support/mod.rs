//! An API that answers by script, a clock that waits for nobody, and tokens that can be told apart.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use unattended_core::{
    Authorization, BoxFuture, Clock, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody,
    SeededEntropy, TokenDemand, TokenSource, TokenSourceError,
};
use unattended_webapi::{Client, ClientBuilder};

pub(crate) const BASE: &str = "https://graph.example/v1.0";

pub(crate) type Reply = Result<Response<ResponseBody>, HttpError>;

type Script = dyn FnMut(&Request<Bytes>) -> Reply + Send;

/// An API that remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Api {
    script: Arc<Mutex<Box<Script>>>,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Api {
    /// Answers every request with what `script` makes of it.
    pub(crate) fn by(script: impl FnMut(&Request<Bytes>) -> Reply + Send + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Box::new(script))), requests: Arc::default() }
    }

    /// Answers with these, in order, and then with `204`.
    pub(crate) fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::by(move |_| replies.pop_front().unwrap_or_else(|| status(204)))
    }

    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// One header of every request, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let text = |headers: &HeaderMap| {
            headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        self.requests().iter().map(|request| text(request.headers())).collect()
    }
}

impl HttpClient for Api {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let reply = (self.script.lock().unwrap())(&request);
            self.requests.lock().unwrap().push(request);
            reply
        })
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

/// The clock of a paused runtime: when everybody waits, time jumps to the next who is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paused(Instant);

impl Paused {
    #[expect(clippy::disallowed_methods, reason = "the runtime of these tests keeps virtual time")]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Paused {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the runtime of these tests keeps virtual time")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The same token for everybody, and no record of who asked.
#[derive(Debug)]
pub(crate) struct OneToken;

impl TokenSource for OneToken {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("test").unwrap()) })
    }
}

/// Tokens `token-0`, `token-1`, ...: a new one for every demand of a newer one.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) demands: Mutex<Vec<TokenDemand>>,
    pub(crate) failures: Mutex<VecDeque<TokenSourceError>>,
    /// Whether a demand for a newer token brings the old one again.
    pub(crate) stuck: bool,
}

impl Tokens {
    /// The claims of every demand for a newer token.
    pub(crate) fn challenges(&self) -> Vec<Option<String>> {
        let demands = self.demands.lock().unwrap();
        let challenge = |demand: &TokenDemand| match demand {
            TokenDemand::Newer { claims, .. } => Some(claims.clone()),
            _ => None,
        };
        demands.iter().filter_map(challenge).collect()
    }

    pub(crate) fn asked(&self) -> usize {
        self.demands.lock().unwrap().len()
    }
}

impl TokenSource for Tokens {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async move {
            self.demands.lock().unwrap().push(demand);
            if let Some(failure) = self.failures.lock().unwrap().pop_front() {
                return Err(failure);
            }
            let number = if self.stuck { 0 } else { self.challenges().len() };
            Ok(Authorization::bearer(&format!("token-{number}")).unwrap())
        })
    }
}

/// A client of `api` whose waits are over at once.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    pub(crate) tokens: Arc<Tokens>,
}

pub(crate) fn bench(api: &Api) -> Bench {
    bench_with(api, Tokens::default(), ManualClock::self_advancing_at(1_800_000_000), |builder| builder)
}

pub(crate) fn bench_with(
    api: &Api,
    tokens: Tokens,
    clock: ManualClock,
    more: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Bench {
    let tokens = Arc::new(tokens);
    let builder = Client::builder(BASE)
        .http(Arc::new(api.clone()))
        .token_source(tokens.clone())
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(7)));
    Bench { client: more(builder).build().unwrap(), clock, tokens }
}

/// Tells `benches/webapi/run.py`, which runs some tests for what they find out; nobody else sees it.
#[expect(clippy::print_stdout, reason = "the test runner keeps it to itself")]
pub(crate) fn tell_measured(what: &str, measured: &str, (target, value): (f64, f64), of: &str) {
    let told =
        serde_json::json!({ "what": what, "measured": measured, "target": target, "value": value, "of": of });
    println!("measured: {told}");
}

pub(crate) fn reply(code: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut response = Response::builder().status(StatusCode::from_u16(code).unwrap());
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(ResponseBody::full(body)).unwrap())
}

pub(crate) fn status(code: u16) -> Reply {
    reply(code, &[], Bytes::new())
}

pub(crate) fn throttled(code: u16, seconds: &str) -> Reply {
    reply(code, &[("retry-after", seconds)], Bytes::new())
}

pub(crate) fn json(body: &Value) -> Reply {
    reply(200, &[("content-type", "application/json")], body.to_string())
}

pub(crate) fn broken(kind: HttpErrorKind) -> Reply {
    Err(HttpError::new(kind, "scripted"))
}
