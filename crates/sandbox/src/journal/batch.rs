//! The requests inside a batch, each with the answer that it got.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::Value;
use unattended_core::retry_after;

use super::summary::Summary;

/// The longest answer that is read here: twenty pages.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A request inside a batch.
pub(super) struct Inner {
    pub(super) request: Summary,
    /// Absent if the batch has no answer to it.
    pub(super) status: Option<u16>,
    headers: HeaderMap,
}

impl Inner {
    /// How long the answer asked to wait.
    pub(super) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        retry_after(&self.headers, now)
    }
}

/// The requests of a batch in their order, and the body of its answer, which is passed on as it came.
pub(super) async fn inner(batch: &Parts, asked: &Bytes, answered: Body) -> (Vec<Inner>, Body) {
    let answered = match to_bytes(answered, MAX_ANSWER_BYTES).await {
        Ok(answered) => answered,
        // It broke off or is too long: whoever reads it meets the same.
        Err(error) => {
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(error) });
            return (Vec::new(), Body::from_stream(broken));
        }
    };
    let list = |text: &Bytes, name: &str| -> Vec<Value> {
        let mut body: Value = serde_json::from_slice(text).unwrap_or_default();
        body.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default()
    };
    let responses: HashMap<String, Value> = list(&answered, "responses")
        .into_iter()
        .filter_map(|response| Some((response["id"].as_str()?.to_ascii_lowercase(), response)))
        .collect();
    let inner = list(asked, "requests")
        .iter()
        .filter_map(|request| {
            let id = request["id"].as_str()?.to_ascii_lowercase();
            let response = responses.get(&id);
            Some(Inner {
                request: entry(batch, request)?,
                status: response.and_then(|it| it["status"].as_u64()).and_then(|it| u16::try_from(it).ok()),
                headers: response.map_or_else(HeaderMap::new, |it| headers(&it["headers"])),
            })
        })
        .collect();
    (inner, Body::from(answered))
}

/// A request of a batch as if it had come by itself.
fn entry(batch: &Parts, request: &Value) -> Option<Summary> {
    let path = batch.uri.path();
    let version = &path[..path.rfind('/')?];
    let url = format!("{version}/{}", request["url"].as_str()?.trim_start_matches('/'));
    let method = request["method"].as_str()?.to_ascii_uppercase();
    let (mut parts, ()) = Request::builder().method(method.as_str()).uri(url).body(()).ok()?.into_parts();
    parts.headers = headers(&request["headers"]);
    let host = batch.uri.authority().and_then(|it| HeaderValue::from_str(it.as_str()).ok());
    let host = host.or_else(|| batch.headers.get(HOST).cloned());
    parts.headers.extend(host.map(|host| (HOST, host)));
    // Who asks is known from the batch.
    parts.headers.extend(batch.headers.get(AUTHORIZATION).map(|value| (AUTHORIZATION, value.clone())));
    parts.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    let body = match &request["body"] {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    Some(Summary::of(&parts, &body))
}

fn headers(object: &Value) -> HeaderMap {
    let headers = object.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
    });
    headers.collect()
}
