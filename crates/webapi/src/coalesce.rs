//! Reads that are asked for at the same moment, in one batch, where that was asked for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, header};
use tokio::sync::oneshot;

use crate::batch::{BatchOutcome, BatchRequest, BatchResponse};
use crate::body::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::payload::Payload;
use crate::request::{Headers, Request};
use crate::response::Response;

/// How long the first of them waits for others.
const MOMENT: Duration = Duration::from_millis(5);

/// What waits to be sent together.
#[derive(Default)]
pub(crate) struct Reads(Mutex<Vec<Waiting>>);

struct Waiting {
    path: String,
    headers: HeaderMap,
    /// Nothing if it was the only one.
    outcome: oneshot::Sender<Option<BatchOutcome>>,
}

impl Reads {
    /// Sends a read with others that come within 5 ms; alone if there are none, or if it cannot be in a batch.
    pub(crate) async fn send(
        self: &Arc<Self>,
        client: &Client,
        request: &Request,
    ) -> Result<Response, Error> {
        let Some(path) = batched_path(client, request) else { return client.execute(request).await };
        let (outcome, waiting) = oneshot::channel();
        let is_first = {
            let mut reads = self.waiting();
            reads.push(Waiting { path: path.to_owned(), headers: request.headers.clone(), outcome });
            reads.len() == 1
        };
        if is_first {
            // Whoever came first may lose interest; the others still want their answers.
            tokio::spawn(Arc::clone(self).send_together(client.clone()));
        }
        match waiting.await.ok().flatten().map(|outcome| outcome.result) {
            Some(Ok(response)) => match plain(response) {
                Some(response) => Ok(response),
                None => client.execute(request).await,
            },
            // There is no `$batch` here: a mistake that costs time and nothing else.
            Some(Err(error)) if error.is_of_whole_batch() && !error.is_transient() => {
                client.execute(request).await
            }
            Some(Err(error)) => Err(error),
            None => client.execute(request).await,
        }
    }

    async fn send_together(self: Arc<Self>, client: Client) {
        client.inner().clock.sleep(MOMENT).await;
        let mut reads = std::mem::take(&mut *self.waiting());
        if reads.len() == 1 {
            // The caller sends it itself, and may drop it then.
            reads.clear();
        }
        let requests = reads.iter().enumerate().map(|(id, read)| {
            BatchRequest::with_headers(
                id.to_string(),
                Method::GET,
                &read.path,
                Headers::from(read.headers.clone()),
            )
        });
        let Ok(outcomes) = client.batch(requests.collect()).await else { return };
        for (read, outcome) in reads.into_iter().zip(outcomes) {
            // Who is gone needs no answer.
            let _ = read.outcome.send(Some(outcome));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a read goes inside a batch. What does not come as JSON would come in another form there.
fn batched_path<'r>(client: &Client, request: &'r Request) -> Option<&'r str> {
    const NOT_JSON: [&str; 3] = ["$value", "$count", "content"];
    let wants_json = request
        .headers
        .get(header::ACCEPT)
        .is_none_or(|accept| accept.to_str().is_ok_and(|accept| accept.contains("application/json")));
    let is_empty = matches!(&request.body, Payload::Bytes(body) if body.is_empty());
    let path = client.base().strictly_below(&request.uri)?;
    let resource = path.split('?').next().unwrap_or_default();
    let last = resource.rsplit('/').next().unwrap_or_default();
    (request.method == Method::GET && is_empty && wants_json && !NOT_JSON.contains(&last)).then_some(path)
}

/// The answer as it would have come alone; nothing if it is not JSON.
fn plain(response: BatchResponse) -> Option<Response> {
    let BatchResponse { status, headers, body, .. } = response;
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if media_type.is_some_and(|it| !it.contains("json")) {
        return None;
    }
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).ok()? };
    Some(Response::new(Answer { status, headers, body: body.into(), refused_token: None }, 1, false))
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reads")
    }
}
