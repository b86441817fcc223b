//! Faults for tests: a network that misbehaves, the same way for the same seed.
//!
//! Put [`FaultyHttp`] between a client and the network (or a scripted answer) and run your own code over many seeds:
//! whatever it does must hold for all of them. With a clock that a test moves, hours of waiting pass at once.

mod answers;
mod batch;
mod kind;
mod pages;

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, Request, Response};
use unattended_core::{BoxFuture, Clock, Entropy, HttpClient, HttpError, HttpErrorKind, ResponseBody};

use self::batch::Split;
use self::pages::Remembered;

pub use self::kind::{BAD_DAY, EVERYTHING, Fault, RetryAfter};

type Exchanged = Result<Response<ResponseBody>, HttpError>;

/// A network of which a share of the exchanges goes wrong.
pub struct FaultyHttp {
    inner: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    rate: f64,
    faults: Vec<Fault>,
    token_life: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    remembered: Remembered,
    /// When each token was seen first, by its hash.
    tokens: HashMap<u64, Duration>,
    met: Vec<Fault>,
}

impl FaultyHttp {
    /// A share of `rate` (0 to 1) of the exchanges over `inner` meets one of [`BAD_DAY`]. Which ones `entropy` decides:
    /// a seeded one makes a run repeatable. Dates and pauses are those of `clock`.
    pub fn new(
        inner: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        rate: f64,
    ) -> Self {
        let faults = BAD_DAY.to_vec();
        Self { inner, clock, entropy, rate, faults, token_life: None, state: Mutex::default() }
    }

    /// Only these faults.
    #[must_use]
    pub fn only(self, faults: impl Into<Vec<Fault>>) -> Self {
        Self { faults: faults.into(), ..self }
    }

    /// Refuses (401) a token that was seen first this long ago, besides the faults.
    #[must_use]
    pub fn token_life(self, life: Duration) -> Self {
        Self { token_life: Some(life), ..self }
    }

    /// The faults that exchanges have met so far.
    #[must_use]
    pub fn met(&self) -> Vec<Fault> {
        self.state().met.clone()
    }

    fn draw(&self) -> Option<Fault> {
        if self.faults.is_empty() || self.entropy.unit() >= self.rate {
            return None;
        }
        // A unit is below one, so the index is below the length.
        let index = (self.entropy.unit() * self.faults.len() as f64) as usize;
        self.faults.get(index).copied()
    }

    /// The answer to a request that does not get as far as the API, if it is one.
    fn intercept(&self, request: &Request<Bytes>, fault: Option<Fault>) -> Option<Exchanged> {
        let error = |kind| Err(HttpError::new(kind, "a fault of the test"));
        if self.is_token_dead(request) {
            return Some(Ok(answers::refusal(401, "InvalidAuthenticationToken")));
        }
        let is_read = request.method() == Method::GET;
        Some(match fault? {
            Fault::NoConnection => error(HttpErrorKind::Connect),
            Fault::Status(status, retry_after) => Ok(answers::status(status, retry_after, self.clock.now())),
            Fault::Challenge => Ok(answers::challenge()),
            Fault::ExpiredLink(status, code) if self.state().remembered.gave(request.uri()) => {
                Ok(answers::refusal(status, code))
            }
            Fault::ErrorInSuccess if is_read => Ok(answers::refusal(200, "faultOfTheTest")),
            Fault::RepeatedPage if is_read => {
                let page = self.state().remembered.repeated(request.uri())?;
                Ok(Response::new(ResponseBody::full(page)))
            }
            _ => return None,
        })
    }

    async fn exchange(&self, request: Request<Bytes>, fault: Option<Fault>) -> Exchanged {
        match fault {
            Some(Fault::LostAnswer) => {
                self.inner.send(request).await?;
                Err(HttpError::new(HttpErrorKind::Interrupted, "a fault of the test"))
            }
            Some(Fault::RefusedAfterwards) => {
                self.inner.send(request).await?;
                Ok(answers::status(503, None, self.clock.now()))
            }
            Some(Fault::InnerThrottled(retry_after)) => {
                let headers = answers::headers(retry_after, self.clock.now());
                match Split::of(request.body(), self.entropy.unit(), headers) {
                    Some(split) => self.split(request, split).await,
                    None => self.inner.send(request).await,
                }
            }
            _ if request.method() == Method::GET => self.read(request, fault).await,
            _ => Ok(bent(self.inner.send(request).await?, fault, &self.clock).await?),
        }
    }

    /// Carries out what is left of a batch.
    async fn split(&self, mut request: Request<Bytes>, mut split: Split) -> Exchanged {
        let Some(rest) = split.rest.take() else {
            return Ok(Response::new(ResponseBody::full(split.joined(None))));
        };
        *request.body_mut() = rest;
        let (head, body) = self.inner.send(request).await?.into_parts();
        let body = body.collect(usize::MAX).await?;
        let body = if head.status.is_success() { split.joined(Some(&body)) } else { body };
        Ok(Response::from_parts(head, ResponseBody::full(body)))
    }

    async fn read(&self, mut request: Request<Bytes>, fault: Option<Fault>) -> Exchanged {
        if let Some(meant) = Remembered::meant(request.uri()) {
            *request.uri_mut() = meant;
        }
        let uri = request.uri().clone();
        let (head, body) = self.inner.send(request).await?.into_parts();
        let body = body.collect(usize::MAX).await?;
        let body =
            if head.status.is_success() { self.state().remembered.page(&uri, body, fault) } else { body };
        bent(Response::from_parts(head, ResponseBody::full(body)), fault, &self.clock).await
    }

    fn is_token_dead(&self, request: &Request<Bytes>) -> bool {
        let Some(life) = self.token_life else { return false };
        let mut hasher = DefaultHasher::new();
        request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).hash(&mut hasher);
        let now = self.clock.elapsed();
        now.saturating_sub(*self.state().tokens.entry(hasher.finish()).or_insert(now)) >= life
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for FaultyHttp {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Exchanged> {
        Box::pin(async move {
            let fault = self.draw();
            self.state().met.extend(fault);
            match self.intercept(&request, fault) {
                Some(answer) => answer,
                None => self.exchange(request, fault).await,
            }
        })
    }
}

/// The answer with what the fault does to its body.
async fn bent(answer: Response<ResponseBody>, fault: Option<Fault>, clock: &Arc<dyn Clock>) -> Exchanged {
    let (head, body) = answer.into_parts();
    let half = |body: &Bytes| body.slice(..body.len() / 2);
    let body = match fault {
        Some(Fault::CutBody) => {
            let half = half(&body.collect(usize::MAX).await?);
            let broken = Err(HttpError::new(HttpErrorKind::Interrupted, "a fault of the test"));
            ResponseBody::new(stream::iter([Ok(half), broken]))
        }
        Some(Fault::TruncatedBody) => ResponseBody::full(half(&body.collect(usize::MAX).await?)),
        Some(Fault::SlowBody(pause)) => {
            let whole = body.collect(usize::MAX).await?;
            let (first, second) = (half(&whole), whole.slice(whole.len() / 2..));
            let clock = Arc::clone(clock);
            let later = async move {
                clock.sleep(pause).await;
                Ok(second)
            };
            ResponseBody::new(stream::iter([Ok(first)]).chain(stream::once(later)))
        }
        _ => body,
    };
    Ok(Response::from_parts(head, body))
}

impl fmt::Debug for FaultyHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyHttp").field("rate", &self.rate).finish_non_exhaustive()
    }
}
