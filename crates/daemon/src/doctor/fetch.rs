//! One harmless request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use unattended_core::{HttpClient, within};

use crate::ports::Ports;

const PATIENCE: Duration = Duration::from_secs(15);

/// No metadata document is near this long.
const LONGEST: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) url: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it came.
    pub(super) at: SystemTime,
}

/// What came instead.
#[derive(Debug)]
pub(super) struct Unreachable {
    pub(super) url: String,
    pub(super) reason: String,
}

pub(super) async fn get(url: &str, http: &Arc<dyn HttpClient>, ports: &Ports) -> Result<Answer, Unreachable> {
    let failed = |reason: String| Unreachable { url: url.to_owned(), reason };
    let request = http::Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|error| failed(error.to_string()))?;
    let exchange = Box::pin(async {
        let response = http.send(request).await?;
        let at = ports.clock.now();
        let (parts, body) = response.into_parts();
        let body = body.collect(LONGEST).await?;
        Ok::<_, unattended_core::HttpError>((parts, body, at))
    });
    match within(&*ports.clock, PATIENCE, exchange).await {
        Some(Ok((parts, body, at))) => {
            Ok(Answer { url: url.to_owned(), status: parts.status, headers: parts.headers, body, at })
        }
        Some(Err(error)) => Err(failed(root_cause(&error))),
        None => Err(failed(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// What the operating system or TLS said; the layers above it only say that they failed, too.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}
