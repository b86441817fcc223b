//! Why a request was refused.

use std::error::Error;
use std::fmt;

use http::{HeaderValue, StatusCode};

/// Why a request was refused. Holds nothing of the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    kind: RejectionKind,
    reason: &'static str,
}

/// What is wrong with a refused request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// There is no bearer token.
    MissingToken,
    /// The header is there, and is not one bearer token of acceptable size.
    MalformedRequest,
    /// The token is not a JWT, or uses an algorithm that is not accepted.
    MalformedToken,
    /// No key of the issuer has this name.
    UnknownKey,
    /// The signature does not belong to the token.
    InvalidSignature,
    /// Its lifetime is over.
    Expired,
    /// Its lifetime has not begun.
    NotYetValid,
    /// It was issued by somebody else, or for a tenant that is not accepted.
    WrongIssuer,
    /// It was issued for another API.
    WrongAudience,
    /// It was issued to a user, or to nobody who can be told.
    NotAppOnly,
    /// The application lacks the permission.
    MissingRole,
}

impl Rejection {
    pub(crate) const fn new(kind: RejectionKind, reason: &'static str) -> Self {
        Self { kind, reason }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// 400 for a request that is no bearer request, 401 for a token that does not do, 403 for a missing permission
    /// (RFC 6750 section 3.1).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            RejectionKind::MalformedRequest => StatusCode::BAD_REQUEST,
            RejectionKind::MissingRole => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The error code of RFC 6750 section 3.1; none when there was no token to judge.
    #[must_use]
    pub fn error_code(&self) -> Option<&'static str> {
        match self.kind {
            RejectionKind::MissingToken => None,
            RejectionKind::MalformedRequest => Some("invalid_request"),
            RejectionKind::MissingRole => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 section 3).
    #[must_use]
    pub fn challenge(&self) -> HeaderValue {
        let Some(code) = self.error_code() else { return HeaderValue::from_static("Bearer") };
        let challenge = format!(r#"Bearer error="{code}", error_description="{}""#, self.reason);
        // Reasons are literals of this crate, in printable ASCII without quotes.
        HeaderValue::from_str(&challenge).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for Rejection {}
