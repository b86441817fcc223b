//! The journal and what must hold over it.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::answer::Refusal;
use super::extract::Query;
use crate::journal::{Entry, Rule};

/// Which part of the journal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Entries with higher numbers only.
    #[serde(default)]
    after: u64,
    /// Whether to wait for more.
    #[serde(default)]
    follow: bool,
}

/// One entry a line, oldest first.
pub(super) async fn read(
    State(admin): State<Arc<Admin>>,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let body = match part.follow {
        false => Body::from(lines(&admin.journal.after(part.after))),
        true => {
            let news = admin.journal.news();
            Body::from_stream(stream::unfold(
                (admin, news, part.after),
                |(admin, mut news, after)| async move {
                    loop {
                        news.mark_unchanged();
                        let entries = admin.journal.after(after);
                        if let Some(last) = entries.last() {
                            let after = last.number;
                            return Some((Ok::<_, io::Error>(lines(&entries)), (admin, news, after)));
                        }
                        tokio::select! {
                            () = admin.stop.cancelled() => return None,
                            changed = news.changed() => changed.ok()?,
                        }
                    }
                },
            ))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn lines(entries: &[Arc<Entry>]) -> Bytes {
    let mut text = Vec::new();
    for entry in entries {
        // An entry is made of text and numbers, which always serialize.
        if serde_json::to_writer(&mut text, &**entry).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

pub(super) async fn clear(State(admin): State<Arc<Admin>>) -> StatusCode {
    admin.journal.clear();
    StatusCode::NO_CONTENT
}

/// What must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    rules: Vec<String>,
    #[serde(default)]
    after: u64,
}

pub(super) async fn check(
    State(admin): State<Arc<Admin>>,
    check: Result<Json<Check>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let Json(check) = check.map_err(|error| Refusal::invalid(error.body_text()))?;
    let rules: Result<Vec<Rule>, String> = check.rules.iter().map(|rule| rule.parse()).collect();
    let entries = admin.journal.after(check.after);
    let broken: Vec<Value> = rules
        .map_err(Refusal::invalid)?
        .into_iter()
        .map(|rule| (rule, rule.offenders(&entries)))
        .filter(|(_, offenders)| !offenders.is_empty())
        .map(|(rule, offenders)| {
            let offenders: Vec<&Entry> = offenders.iter().map(Arc::as_ref).collect();
            json!({ "rule": rule.to_string(), "entries": offenders })
        })
        .collect();
    Ok(Json(json!({ "kept": broken.is_empty(), "entries": entries.len(), "broken": broken })))
}
