//! `$batch`: up to twenty requests in one.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

use super::exchange::{Body, Call, Request};
use super::fault::Fault;
use super::http::MOUNT;

/// How many requests a batch may hold.
const MAX_REQUESTS: usize = 20;

/// One request of a batch.
struct Step {
    id: String,
    request: Request,
    depends_on: Vec<String>,
}

/// Whether requests to this path of the sandbox hold other requests.
pub(crate) fn is_batch(path: &str) -> bool {
    let below = path.strip_prefix(MOUNT).and_then(|path| path.trim_end_matches('/').rsplit_once('/'));
    below.is_some_and(|(_, name)| is_name(name))
}

/// Whether a path below a version is that of batches.
pub(super) fn is_name(path: &str) -> bool {
    ["$batch", "%24batch"].iter().any(|name| path.trim_matches('/').eq_ignore_ascii_case(name))
}

/// Answers every request on its own, each after those it depends on.
pub(super) fn answer(call: &Call<'_>) -> Result<Value, Fault> {
    let body = call.json()?;
    let malformed = || Fault::bad_query("Invalid batch payload format.");
    let requests = body.get("requests").and_then(Value::as_array).ok_or_else(malformed)?;
    if requests.len() > MAX_REQUESTS {
        return Err(Fault::bad_query("Number of batch request steps exceeds the maximum value of 20."));
    }
    let steps = requests
        .iter()
        .map(|request| read(request.as_object().ok_or_else(malformed)?, call.request.version))
        .collect::<Result<Vec<Step>, Fault>>()?;
    let mut statuses: Vec<(String, StatusCode)> = Vec::new();
    let mut responses = Vec::new();
    for step in in_order(steps)? {
        let has_failed = |id: &String| {
            statuses
                .iter()
                .any(|(known, status)| known == id && (status.is_client_error() || status.is_server_error()))
        };
        let (status, response) = if step.depends_on.iter().any(has_failed) {
            let fault = Fault::new(
                StatusCode::FAILED_DEPENDENCY,
                "FailedDependency",
                "A request that this one depends on has failed.",
            );
            respond(call, &step, Err(fault))
        } else {
            let answer = call.directory.answer(&step.request, call.caller, call.tenant);
            respond(call, &step, Ok(answer))
        };
        statuses.push((step.id.to_ascii_lowercase(), status));
        responses.push(response);
    }
    Ok(json!({ "responses": responses }))
}

fn respond(
    call: &Call<'_>,
    step: &Step,
    answer: Result<super::exchange::Answer, Fault>,
) -> (StatusCode, Value) {
    let answer = answer.unwrap_or_else(|fault| call.directory.refuse(&fault, &step.request, call.now));
    let mut headers: Map<String, Value> = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((canonical(name.as_str()), value.to_str().ok()?.into())))
        .collect();
    let body = match answer.body {
        Body::Empty => None,
        Body::Written(body) => {
            headers.insert("Content-Type".into(), "application/json".into());
            serde_json::from_slice(&body.whole()).ok()
        }
        Body::Json(body) => {
            headers.insert("Content-Type".into(), "application/json".into());
            Some(body)
        }
        Body::Text(text) => {
            headers.insert("Content-Type".into(), "text/plain".into());
            Some(Value::String(BASE64_STANDARD.encode(text)))
        }
    };
    let mut response = json!({ "id": step.id, "status": answer.status.as_u16(), "headers": headers });
    if let Some(body) = body {
        response["body"] = body;
    }
    (answer.status, response)
}

fn read(request: &Map<String, Value>, version: &'static str) -> Result<Step, Fault> {
    let text = |name: &str| request.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("id").ok_or_else(|| Fault::bad_query("Batch request id cannot be missing or empty."))?;
    let wrong = |what: &str| Fault::bad_query(format!("Invalid batch request '{id}': {what}."));
    let method = text("method").ok_or_else(|| wrong("the method is missing"))?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| wrong("the method is not one"))?;
    let url = text("url").ok_or_else(|| wrong("the url is missing"))?;
    let has_scheme = url.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if has_scheme || url.starts_with("//") || url.contains('#') {
        return Err(wrong("the url is not relative"));
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    let sent = match request.get("headers") {
        None | Some(Value::Null) => None,
        Some(sent) => Some(sent.as_object().ok_or_else(|| wrong("the headers are no object"))?),
    };
    for (name, value) in sent.into_iter().flatten() {
        let header = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(value.as_str().and_then(|value| HeaderValue::from_str(value).ok()));
        let (name, value) = header.ok_or_else(|| wrong("a header is not one"))?;
        headers.insert(name, value);
    }
    let body = match request.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(_) if !headers.contains_key(CONTENT_TYPE) => {
            return Err(Fault::bad_query(format!(
                "Write request id : {id} does not contain Content-Type header or body."
            )));
        }
        Some(Value::String(text)) => BASE64_STANDARD
            .decode(text)
            .map_err(|_| wrong("the body is neither an object nor base64"))?
            .into(),
        Some(body) => body.to_string().into(),
    };
    let depends_on = match request.get("dependsOn") {
        None | Some(Value::Null) => None,
        Some(others) => Some(others.as_array().ok_or_else(|| wrong("dependsOn is no list"))?),
    };
    let depends_on = depends_on
        .into_iter()
        .flatten()
        .map(|other| Some(other.as_str()?.to_ascii_lowercase()))
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("dependsOn names no request"))?;
    let request = Request { method, version, path: path.to_owned(), query: query.to_owned(), headers, body };
    Ok(Step { id: id.to_owned(), request, depends_on })
}

/// The steps so that each comes after those it depends on; otherwise as they stand.
fn in_order(mut steps: Vec<Step>) -> Result<Vec<Step>, Fault> {
    let mut ids: Vec<String> = steps.iter().map(|step| step.id.to_ascii_lowercase()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Fault::bad_query(format!("Batch request id '{}' is not unique.", twice[0])));
    }
    let mut ordered: Vec<Step> = Vec::with_capacity(steps.len());
    while !steps.is_empty() {
        let is_ready = |step: &Step| {
            step.depends_on.iter().all(|id| ordered.iter().any(|done| done.id.eq_ignore_ascii_case(id)))
        };
        let Some(next) = steps.iter().position(is_ready) else {
            return Err(Fault::bad_query(
                "The dependsOn of a batch request names a request that does not exist or that depends on it.",
            ));
        };
        ordered.push(steps.remove(next));
    }
    Ok(ordered)
}

/// `content-type` as `Content-Type`: batch clients that look headers up by name expect the usual spelling.
fn canonical(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    match name.starts_with("x-") || name.ends_with("request-id") {
        true => name.to_owned(),
        false => name.split('-').map(capital).collect::<Vec<_>>().join("-"),
    }
}
