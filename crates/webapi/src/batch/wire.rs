//! The JSON of a batch (OData JSON batch format, in the form that Microsoft Graph documents).

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::response::Response;

/// One request as it goes into the batch.
pub(super) fn request(
    id: &str,
    method: &Method,
    url: &str,
    headers: &HeaderMap,
    body: Option<Value>,
) -> Value {
    let mut request = json!({ "id": id, "method": method.as_str(), "url": url });
    if !headers.is_empty() {
        // Values of one name are one list (RFC 9110 section 5.3): JSON has each name once.
        let mut joined = Map::new();
        for name in headers.keys() {
            let values: Vec<&str> =
                headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
            joined.insert(name.to_string(), Value::String(values.join(", ")));
        }
        request["headers"] = Value::Object(joined);
    }
    if let Some(body) = body {
        request["body"] = body;
    }
    request
}

/// The body of a batch.
pub(super) fn write(requests: Vec<Value>) -> Bytes {
    #[derive(Serialize)]
    struct Batch {
        requests: Vec<Value>,
    }
    serde_json::to_vec(&Batch { requests }).expect("JSON values with text keys can always be written").into()
}

/// The answers of a batch, by id.
pub(super) struct Answers(HashMap<String, Vec<Answer>>);

/// One answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// What there is for one id.
pub(super) enum Taken {
    One(Answer),
    Missing,
    Several,
}

/// Reads the answers. One that is malformed counts as missing: the others stand.
pub(super) fn read(response: &Response) -> Result<Answers, Error> {
    #[derive(Deserialize)]
    struct Batch {
        responses: Vec<Value>,
    }
    let batch: Batch = response.json()?;
    let mut answers: HashMap<String, Vec<Answer>> = HashMap::new();
    for answer in batch.responses {
        if let Some((id, answer)) = read_one(answer) {
            answers.entry(id).or_default().push(answer);
        }
    }
    Ok(Answers(answers))
}

fn read_one(mut answer: Value) -> Option<(String, Answer)> {
    let id = match answer.get("id")? {
        Value::String(id) => id.to_ascii_lowercase(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    // Some gateways write the status as text.
    let status = match answer.get("status")? {
        Value::Number(status) => status.as_u64()?,
        Value::String(status) => status.parse().ok()?,
        _ => return None,
    };
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let headers = answer.get("headers").and_then(Value::as_object).map(header_map).unwrap_or_default();
    let body = answer.get_mut("body").map(Value::take).unwrap_or_default();
    Some((id, Answer { status, headers, body }))
}

/// Header values are text; some servers write `Retry-After` as a number.
fn header_map(headers: &Map<String, Value>) -> HeaderMap {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(text(value)?).ok()?))
        })
        .collect()
}

impl Taken {
    /// Whether the request was not carried out because one before it failed.
    pub(super) fn is_failed_dependency(&self) -> bool {
        matches!(self, Self::One(answer) if answer.status == StatusCode::FAILED_DEPENDENCY)
    }
}

impl Answers {
    pub(super) fn take(&mut self, id: &str) -> Taken {
        match self.0.remove(&id.to_ascii_lowercase()) {
            None => Taken::Missing,
            Some(mut answers) if answers.len() == 1 => answers.pop().map_or(Taken::Missing, Taken::One),
            Some(_) => Taken::Several,
        }
    }
}
