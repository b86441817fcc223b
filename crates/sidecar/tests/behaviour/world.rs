//! Two APIs behind a scripted network, a token that must not get out, and callers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use unattended_core::{
    Authorization, BoxFuture, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody, SeededEntropy,
    TokenDemand, TokenSource, TokenSourceError,
};
use unattended_sidecar::{Api, Grant, Peer, Policy, Route, Sidecar};
use unattended_webapi::Client;

/// 2026-11-23 00:00:00 UTC
const NOW: u64 = 1_795_392_000;
pub(crate) const TOKEN: &str = "eyJhbGciOiJQUzI1NiJ9.eyJhdWQiOiJncmFwaCJ9.c2lnbmF0dXJl";
pub(crate) const US: Peer = Peer { uid: 1000, pid: None };
pub(crate) const STRANGER: Peer = Peer { uid: 4711, pid: None };

/// A network whose answers are told beforehand, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network(Arc<Mutex<Script>>, Arc<tokio::sync::Mutex<()>>);

#[derive(Debug, Default)]
struct Script {
    answers: Vec<Response<&'static str>>,
    asked: Vec<Request<Bytes>>,
}

impl Network {
    pub(crate) fn answers(&self, answer: http::response::Builder, body: &'static str) -> &Self {
        self.0.lock().unwrap().answers.push(answer.body(body).unwrap());
        self
    }

    /// Holds every answer back until the guard is dropped.
    pub(crate) fn hold(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.1).try_lock_owned().unwrap()
    }

    pub(crate) async fn until_asked(&self) {
        while self.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn asked(&self) -> Vec<Request<Bytes>> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl HttpClient for Network {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        let mut script = self.0.lock().unwrap();
        script.asked.push(request);
        let answer = if script.answers.is_empty() {
            Err(HttpError::new(HttpErrorKind::Connect, "connection refused"))
        } else {
            Ok(script.answers.remove(0).map(ResponseBody::full))
        };
        let held = Arc::clone(&self.1);
        Box::pin(async move {
            let _released = held.lock().await;
            answer
        })
    }
}

#[derive(Debug)]
struct Tokens(Option<fn() -> Result<Authorization, TokenSourceError>>);

impl TokenSource for Tokens {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async {
            match self.0 {
                Some(authorization) => authorization(),
                None => Ok(Authorization::bearer(TOKEN).unwrap()),
            }
        })
    }
}

/// A sidecar and the network behind it.
pub(crate) struct World {
    pub(crate) sidecar: Sidecar,
    pub(crate) network: Network,
}

impl World {
    /// One that allows us everything but tokens.
    pub(crate) fn new() -> Self {
        Self::with(Policy::for_user(US.uid), None)
    }

    pub(crate) fn granting(grants: Vec<Grant>) -> Self {
        Self::with(Policy::of(grants), None)
    }

    pub(crate) fn giving(authorization: fn() -> Result<Authorization, TokenSourceError>) -> Self {
        Self::with(Policy::of(vec![grant(&["graph"], None, true)]), Some(authorization))
    }

    /// One whose clock runs as soon as something waits for it.
    pub(crate) fn impatient() -> Self {
        let Self { network, .. } = Self::new();
        let apis = [("graph".to_owned(), api("https://graph.example/v1.0", &network, None))].into();
        let clock = Arc::new(ManualClock::self_advancing_at(NOW));
        Self { sidecar: Sidecar::new(apis, Policy::for_user(US.uid), clock).unwrap(), network }
    }

    fn with(policy: Policy, error: Option<fn() -> Result<Authorization, TokenSourceError>>) -> Self {
        let network = Network::default();
        let api = |base_url| api(base_url, &network, error);
        let apis = BTreeMap::from([
            ("billing".to_owned(), api("https://billing.example/api")),
            ("graph".to_owned(), api("https://graph.example/v1.0")),
        ]);
        // The sidecar's own clock stands still: here no body is slow.
        let sidecar = Sidecar::new(apis, policy, Arc::new(ManualClock::at(NOW))).unwrap();
        Self { sidecar, network }
    }

    pub(crate) async fn ask(
        &self,
        peer: Peer,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.sidecar.answer(peer, request).await.into_parts();
        let (mut text, mut broken_off) = (Vec::new(), false);
        let mut body = body;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => broken_off = true,
            }
        }
        let text = String::from_utf8(text).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, text, broken_off }
    }

    /// A plain request of ours.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(US, request(Method::GET, target), "").await
    }
}

/// An API of the network.
pub(crate) fn api(
    base_url: &str,
    network: &Network,
    error: Option<fn() -> Result<Authorization, TokenSourceError>>,
) -> Api {
    api_at(ManualClock::self_advancing_at(NOW), base_url, network, error)
}

/// An API that is called on this clock.
pub(crate) fn api_at(
    clock: ManualClock,
    base_url: &str,
    network: &Network,
    error: Option<fn() -> Result<Authorization, TokenSourceError>>,
) -> Api {
    let client = Client::builder(base_url)
        .http(Arc::new(network.clone()))
        .token_source(Arc::new(Tokens(error)))
        .clock(Arc::new(clock))
        .entropy(Arc::new(SeededEntropy::new(7)))
        .build()
        .unwrap();
    Api { client, tokens: Arc::new(Tokens(error)) }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) broken_off: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn request(method: Method, target: &str) -> http::request::Builder {
    Request::builder().method(method).uri(target).header("host", "unattended")
}

/// What we may do.
pub(crate) fn grant(apis: &[&str], routes: Option<&[&str]>, lend_tokens: bool) -> Grant {
    Grant {
        uid: US.uid,
        apis: Some(apis.iter().map(ToString::to_string).collect()),
        routes: routes.map(|routes| routes.iter().map(|route| Route::parse(route).unwrap()).collect()),
        lend_tokens,
    }
}
