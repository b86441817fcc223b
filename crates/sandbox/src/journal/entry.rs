//! One request and its answer, as the journal keeps it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::summary::Summary;

/// Below this path nothing of the sandbox is found: it stands for the origin of somebody else.
pub(crate) const FOREIGN_PATH: &str = "/foreign-origin";

/// One request and its answer; the request in parts, or summed up in one text.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Entry<R = RequestEntry> {
    /// Counts the entries of this run of the sandbox, from 1, in the order of the answers.
    pub(crate) number: u64,
    /// The number of the batch that the request was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<u64>,
    /// When the request came, in the time of the sandbox: milliseconds since 1970, shown as RFC 3339 has it.
    #[serde(rename = "time", serialize_with = "as_rfc3339")]
    pub(crate) time_ms: i64,
    /// When the request came, in milliseconds of a clock that nobody sets.
    pub(crate) arrived_ms: u64,
    /// Until the head of the answer was there.
    pub(crate) duration_ms: u64,
    #[serde(flatten)]
    pub(crate) request: R,
    /// Absent if the connection was cut instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// How long the answer asked the client to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    /// The fault that was injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<&'static str>,
}

/// What is kept of a request: no token, no secret, no value of a query.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct RequestEntry {
    /// Scheme and host as the client named them.
    pub(crate) origin: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The names of the query's parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) query: Vec<String>,
    /// The application (client) ID that the request claims, unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<String>,
    /// What a token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<&'static str, String>,
    /// The same for every attempt at the same request: application, method, URL, body.
    pub(crate) fingerprint: String,
}

impl Entry<Summary> {
    pub(super) fn unfolded(&self) -> Entry {
        Entry {
            number: self.number,
            batch: self.batch,
            time_ms: self.time_ms,
            arrived_ms: self.arrived_ms,
            duration_ms: self.duration_ms,
            request: self.request.unfolded(),
            status: self.status,
            retry_after_ms: self.retry_after_ms,
            fault: self.fault,
        }
    }
}

impl RequestEntry {
    /// Whether a token was asked for.
    pub(crate) fn is_token_request(&self) -> bool {
        self.method == "POST" && is_token_path(&self.path)
    }

    /// Whether the request went to somebody else's origin with a credential in it.
    pub(crate) fn is_leak(&self) -> bool {
        self.path.starts_with(FOREIGN_PATH) && self.headers.contains_key("authorization")
    }
}

/// Whether tokens are asked for at a path.
pub(super) fn is_token_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with("/oauth2/v2.0/token") || path.ends_with("/oauth2/token")
}

fn as_rfc3339<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_millisecond(*time_ms) {
        Ok(time) => serializer.collect_str(&format_args!("{time:.3}")),
        Err(_) => serializer.serialize_str(""),
    }
}
