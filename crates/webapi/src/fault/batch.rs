//! Batches of which a part is not carried out.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A batch without one of its requests and without those that depend on it, and the answers to these.
pub(super) struct Split {
    /// What is left; `None` if nothing is.
    pub(super) rest: Option<Bytes>,
    answers: Vec<Value>,
}

impl Split {
    /// Takes the request at `share` (0 to 1) of the batch out; `None` if this is no batch.
    pub(super) fn of(body: &Bytes, share: f64, headers: Vec<(&'static str, String)>) -> Option<Self> {
        let batch: Value = serde_json::from_slice(body).ok()?;
        let requests = batch.get("requests")?.as_array()?;
        // A share is below one, so the index is below the length.
        let throttled = requests.get((share * requests.len() as f64) as usize)?;
        let mut out = vec![id(throttled)];
        // Each round finds those that depend on what is out already.
        while let Some(next) =
            requests.iter().find(|request| !out.contains(&id(request)) && depends(request, &out))
        {
            out.push(id(next));
        }
        let headers: Map<String, Value> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let answer = |(index, id): (usize, &String)| match index {
            0 => {
                json!({"id": id, "status": 429, "headers": headers, "body": {"error": {"code": "TooManyRequests"}}})
            }
            _ => json!({"id": id, "status": 424, "body": {"error": {"code": "FailedDependency"}}}),
        };
        let answers = out.iter().enumerate().map(answer).collect();
        let rest: Vec<&Value> = requests.iter().filter(|request| !out.contains(&id(request))).collect();
        let rest = (!rest.is_empty()).then(|| json!({ "requests": rest }).to_string().into());
        Some(Self { rest, answers })
    }

    /// The answer to the whole: what is left was answered with `body`.
    pub(super) fn joined(mut self, body: Option<&Bytes>) -> Bytes {
        let whole: Option<Value> = body.and_then(|body| serde_json::from_slice(body).ok());
        let answered = whole.as_ref().and_then(|whole| whole.get("responses")?.as_array());
        self.answers.extend(answered.into_iter().flatten().cloned());
        json!({ "responses": self.answers }).to_string().into()
    }
}

fn id(request: &Value) -> String {
    request["id"].as_str().unwrap_or_default().to_owned()
}

fn depends(request: &Value, on: &[String]) -> bool {
    let ids = request["dependsOn"].as_array().into_iter().flatten().filter_map(Value::as_str);
    ids.into_iter().any(|id| on.iter().any(|out| out.eq_ignore_ascii_case(id)))
}
