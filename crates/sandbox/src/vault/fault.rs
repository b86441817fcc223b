//! Refusals, in the words and with the codes of a key vault.

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::store::StoreError;

/// Why a request is not answered with 2xx.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    /// The code inside the code.
    inner: Option<&'static str>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), inner: None, headers: Vec::new() }
    }

    fn with_inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    /// 400.
    pub(super) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    /// 401; who calls has to add the challenge.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// 403: no role of the caller allows it.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with_inner("ForbiddenByRbac")
    }

    /// 403: the secret is disabled.
    pub(super) fn disabled() -> Self {
        let message = "Operation get is not allowed on a disabled secret.";
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with_inner("SecretDisabled")
    }

    /// 403: it belongs to a certificate, by which alone it changes.
    pub(super) fn managed(operation: &str) -> Self {
        let message = format!(
            "Operation {operation} is not allowed on a secret that is managed by the certificate of the same name."
        );
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// 409: a deleted object has the name.
    pub(super) fn name_of_deleted(kind: &str, name: &str) -> Self {
        let message = format!(
            "{kind} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this \
             state, the {} can only be recovered or purged.",
            kind.to_lowercase()
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).with_inner("ObjectIsDeletedButRecoverable")
    }

    /// 429.
    pub(super) fn throttled(seconds: u64) -> Self {
        let message = "Request was not processed because too many requests were received. Reason: \
                       VaultRequestTypeLimitReached";
        let mut fault = Self::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", message);
        fault.headers.push((RETRY_AFTER, seconds.into()));
        fault
    }

    /// The error envelope.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(code) = self.inner {
            error["innererror"] = json!({ "code": code });
        }
        json!({ "error": error })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the vault's database failed");
        if error.is_full() {
            let message = "There is no room left on the disk of the sandbox.";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message);
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "An internal error occurred.")
    }
}
