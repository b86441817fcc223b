//! Faults for tests: a network that misbehaves, the same way for the same seed.
//!
//! Put [`FaultyHttp`] between a client and the network (or a scripted answer) and run your own code over many seeds:
//! whatever it does must hold for all of them. With a clock that a test moves, hours of waiting pass at once.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use unattended_core::{BoxFuture, Entropy, HttpClient, HttpError, HttpErrorKind, ResponseBody};

/// Something that goes wrong with one exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// There is no connection; nothing is sent.
    NoConnection,
    /// The connection breaks before the answer comes; the request has its effect.
    LostAnswer,
    /// The answer breaks off in the middle of its body.
    CutBody,
    /// The answer is not sent, and this status is, with or without a `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// Like a status of 503, after the request had its effect.
    RefusedAfterwards,
}

/// What a cloud does on a bad day, each as likely as the others.
pub const BAD_DAY: [Fault; 11] = [
    Fault::NoConnection,
    Fault::LostAnswer,
    Fault::CutBody,
    Fault::RefusedAfterwards,
    Fault::Status(401, None),
    Fault::Status(429, Some(7)),
    Fault::Status(429, None),
    Fault::Status(500, None),
    Fault::Status(502, None),
    Fault::Status(503, Some(2)),
    Fault::Status(504, None),
];

/// A network of which a share of the exchanges goes wrong.
pub struct FaultyHttp {
    inner: Arc<dyn HttpClient>,
    entropy: Arc<dyn Entropy>,
    rate: f64,
    faults: Vec<Fault>,
}

impl FaultyHttp {
    /// A share of `rate` (0 to 1) of the exchanges over `inner` meets one of [`BAD_DAY`]. Which ones `entropy` decides:
    /// a seeded one makes a run repeatable.
    pub fn new(inner: Arc<dyn HttpClient>, entropy: Arc<dyn Entropy>, rate: f64) -> Self {
        Self { inner, entropy, rate, faults: BAD_DAY.to_vec() }
    }

    /// Only these faults.
    #[must_use]
    pub fn only(self, faults: impl Into<Vec<Fault>>) -> Self {
        Self { faults: faults.into(), ..self }
    }

    fn draw(&self) -> Option<Fault> {
        if self.faults.is_empty() || self.entropy.unit() >= self.rate {
            return None;
        }
        // A unit is below one, so the index is below the length.
        let index = (self.entropy.unit() * self.faults.len() as f64) as usize;
        self.faults.get(index).copied()
    }
}

impl HttpClient for FaultyHttp {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let error = |kind| Err(HttpError::new(kind, "a fault of the test"));
            match self.draw() {
                None => self.inner.send(request).await,
                Some(Fault::NoConnection) => error(HttpErrorKind::Connect),
                Some(Fault::Status(status, retry_after)) => Ok(answer(status, retry_after)),
                Some(Fault::LostAnswer) => {
                    self.inner.send(request).await?;
                    error(HttpErrorKind::Interrupted)
                }
                Some(Fault::RefusedAfterwards) => {
                    self.inner.send(request).await?;
                    Ok(answer(503, None))
                }
                Some(Fault::CutBody) => Ok(self.inner.send(request).await?.map(cut)),
            }
        })
    }
}

fn answer(status: u16, retry_after: Option<u32>) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::full("{\"error\":{\"code\":\"faultOfTheTest\"}}"));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(HeaderName::from_static("retry-after"), HeaderValue::from(seconds));
    }
    answer
}

/// Half of the first piece, and then nothing more.
fn cut(body: ResponseBody) -> ResponseBody {
    let half = body.take(1).map(|chunk| chunk.map(|bytes| bytes.slice(..bytes.len() / 2)));
    let broken =
        stream::once(async { Err(HttpError::new(HttpErrorKind::Interrupted, "a fault of the test")) });
    ResponseBody::new(half.chain(broken))
}

impl fmt::Debug for FaultyHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyHttp").field("rate", &self.rate).finish_non_exhaustive()
    }
}
