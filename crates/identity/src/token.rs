//! An access token and what is known about it.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unattended_core::Authorization;

/// An access token, finished as a header value.
#[derive(Clone, Debug)]
pub struct AccessToken {
    authorization: Authorization,
    expires_at: SystemTime,
    refresh_at: SystemTime,
    origin: TokenOrigin,
    correlation_id: String,
}

/// Where a token came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenOrigin {
    /// It was kept from an earlier request.
    Cache,
    /// It was issued for this call.
    Server,
}

impl AccessToken {
    pub(crate) fn new(
        authorization: Authorization,
        expires_at: SystemTime,
        refresh_at: SystemTime,
        correlation_id: String,
    ) -> Self {
        Self { authorization, expires_at, refresh_at, origin: TokenOrigin::Server, correlation_id }
    }

    pub(crate) fn as_cached(&self) -> Self {
        Self { origin: TokenOrigin::Cache, ..self.clone() }
    }

    /// The token. Whoever holds it can act as the application.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.authorization.expose_token()
    }

    /// The `Authorization` header value.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// When the token stops being accepted.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// From when on it is renewed in the background.
    #[must_use]
    pub fn refresh_at(&self) -> SystemTime {
        self.refresh_at
    }

    /// Where this call got it.
    #[must_use]
    pub fn origin(&self) -> TokenOrigin {
        self.origin
    }

    /// The identifier that the token request carried.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The payload, if the token is a JWT: to show to an administrator, **never** to decide by. Nobody has checked its
    /// signature here; that is for the web API to do.
    #[must_use]
    pub fn unverified_claims(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let payload = self.expose().split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// The token as the cache keeps it: with the moment, on the monotonic clock, from which its life is counted.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) token: AccessToken,
    /// Monotonic, see [`unattended_core::Clock::elapsed`].
    pub(crate) since: Duration,
    pub(crate) lifetime: Duration,
    pub(crate) refresh_after: Duration,
}
