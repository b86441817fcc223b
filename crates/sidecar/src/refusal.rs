//! What a request that is not passed on is answered.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};

use crate::route::METHODS;
use crate::sidecar::AnswerBody;

/// An answer with an error in it, in the shape that OData gives errors: `{"error": {"code", "message", ...}}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    error: Map<String, Value>,
}

impl Refusal {
    /// A refusal of the sidecar itself.
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::told_by("sidecar", status, code, message)
    }

    /// A failure, and whose it is: of the `api`, of the `authority` that gives tokens, or of the `network`.
    pub(crate) fn told_by(by: &str, status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("code".to_owned(), code.into());
        error.insert("message".to_owned(), message.into().into());
        error.insert("by".to_owned(), by.into());
        Self { status, headers: Vec::new(), error }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.detail("hint", hint.into())
    }

    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.error.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn forbidden(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn method_not_allowed(allowed: &[http::Method]) -> Self {
        let names = allowed.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
        let refusal = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("only {names} can be asked for here"),
        );
        match HeaderValue::from_str(&names) {
            Ok(names) => refusal.header(ALLOW, names),
            Err(_) => refusal,
        }
    }

    pub(crate) fn no_such_method() -> Self {
        Self::method_not_allowed(&METHODS)
    }

    /// Whether the API has answered, if only with an error.
    pub(crate) fn is_of_the_api(&self) -> bool {
        self.error.get("by").and_then(Value::as_str) == Some("api")
    }

    pub(crate) fn code(&self) -> &str {
        self.error.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn into_response(self) -> Response<AnswerBody> {
        let mut response = json_response(self.status, &json!({ "error": self.error }));
        response.headers_mut().extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

/// A document of the sidecar's own.
pub(crate) fn json_response(status: StatusCode, document: &Value) -> Response<AnswerBody> {
    let mut text = document.to_string();
    text.push('\n');
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
