//! Refusals, in the words and with the codes of Microsoft Graph.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::store::StoreError;

/// Why a request is not answered with 2xx.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// `details` of the envelope: further codes and the property they are about.
    pub(crate) details: Option<Value>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, headers: Vec::new() }
    }

    /// 400: the body or a property is not acceptable.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// 400: one property is not acceptable.
    pub(super) fn invalid_property(property: &str, message: impl Into<String>) -> Self {
        let mut fault = Self::bad_request(message);
        let code = "InvalidValue";
        fault.details = Some(json!([{ "code": code, "message": fault.message, "target": property }]));
        fault
    }

    /// 400: the query is not OData or names what does not exist.
    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 400: the query is OData that the directory does not answer.
    pub(super) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// 501: what the directory cannot get from where it is kept.
    pub(super) fn not_implemented() -> Self {
        let message = "This operation target is not yet supported.";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// 400: a `$skiptoken` that was not given out for this query.
    pub(super) fn unusable_page_token() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        )
    }

    /// 400: a value that has to be unique is taken.
    pub(super) fn value_taken(property: &str) -> Self {
        let message = format!("Another object with the same value for property {property} already exists.");
        let mut fault = Self::bad_request(message);
        fault.details =
            Some(json!([{ "code": "ObjectConflict", "message": fault.message, "target": property }]));
        fault
    }

    /// 401: the application of a valid token has no service principal.
    pub(super) fn unknown_identity() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Authorization_IdentityNotFound",
            "The identity of the calling application could not be established.",
        )
    }

    /// 403.
    pub(super) fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// 404.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// The error envelope.
    pub(super) fn body(&self, date: &str, request_id: &str, client_request_id: &str) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": { "date": date, "request-id": request_id, "client-request-id": client_request_id },
        });
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        json!({ "error": error })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the directory's database failed");
        if error.is_full() {
            let message = "There is no room left on the disk of the sandbox.";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "quotaLimitReached", message);
        }
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "generalException",
            "An error occurred while processing the request.",
        )
    }
}
