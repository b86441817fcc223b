//! What the API answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::SandboxError;
use crate::control::ChangeError;
use crate::store::StoreError;

const DESCRIPTION: &str = include_str!("openapi.json");

/// Why there is no result.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "the sandbox could not be controlled");
        let message = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Failed", message)
    }

    fn remedied(self, remedy: Option<&str>) -> Self {
        match remedy {
            Some(remedy) => self.hint(remedy),
            None => self,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.code, "message": self.message, "hint": self.hint });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::failed(&error).remedied(error.remedy())
    }
}

impl From<SandboxError> for Refusal {
    fn from(error: SandboxError) -> Self {
        Self::failed(&error).remedied(error.remedy())
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(invalid) => {
                Self::new(StatusCode::BAD_REQUEST, "InvalidSetting", invalid.to_string()).hint(invalid.hint)
            }
            ChangeError::Store(error) => error.into(),
        }
    }
}

/// Runs what reads or writes the database where it delays no connection.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::failed(&error)))
}

pub(super) async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", "there is nothing here").hint("see /sandbox/openapi.json")
}

pub(super) async fn not_that_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "this cannot be done here")
        .hint("see /sandbox/openapi.json")
}

/// The description of the API, which is no secret.
pub(super) async fn description() -> Response {
    let mut response = DESCRIPTION.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn a_failure_tells_its_cause_and_what_mends_it() {
        let error = SandboxError::from(StoreError::corrupt("a page is gone"));
        let response = Refusal::from(error).into_response();
        assert_eq!(response.status(), 500);
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 1 << 16).await.unwrap()).unwrap();
        assert_eq!(body["error"]["message"], "the sandbox's data cannot be used: a page is gone");
        assert!(body["error"]["hint"].as_str().unwrap().contains("sandbox reset"));
    }
}
