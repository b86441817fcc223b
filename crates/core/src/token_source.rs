//! What a web API client needs of an identity, and no more.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};

use crate::{Possession, Wiped};

/// Gives the `Authorization` header of one (application, tenant, resource).
///
/// An implementation caches and refreshes; a caller asks before every request and keeps nothing.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A header that meets `demand`. Dropping the future harms no other caller.
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>>;
}

/// Which token will do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum TokenDemand {
    /// Any live one.
    #[default]
    Live,
    /// Not this one: a web API refused it, so the cache may serve only what is newer (RFC 6750 section 3.1).
    Newer {
        /// The refused header.
        refused: Authorization,
        /// The claims challenge of the refusal: decoded JSON to send to the token endpoint.
        claims: Option<String>,
    },
}

/// A finished `Authorization` header value, marked sensitive so that no HTTP library prints or indexes it, and wiped
/// when its last clone is dropped; with what the token is bound to, if it is. Two are equal if their headers are.
#[derive(Clone)]
pub struct Authorization {
    header: HeaderValue,
    possession: Option<Arc<dyn Possession>>,
}

impl Authorization {
    /// `Bearer` and the token (RFC 6750 section 2.1); `None` when the token holds bytes that no header may carry.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        Self::of("Bearer", token, None)
    }

    /// A token that has to be shown together with `possession`, by the scheme of its kind, such as `DPoP`.
    #[must_use]
    pub fn bound(scheme: &str, token: &str, possession: Arc<dyn Possession>) -> Option<Self> {
        Self::of(scheme, token, Some(possession))
    }

    fn of(scheme: &str, token: &str, possession: Option<Arc<dyn Possession>>) -> Option<Self> {
        let mut header = Vec::with_capacity(scheme.len() + 1 + token.len());
        header.extend_from_slice(scheme.as_bytes());
        header.push(b' ');
        header.extend_from_slice(token.as_bytes());
        // It is full, so this is the same place of the memory without a capacity beside it.
        let header = Wiped(header.into_boxed_slice());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(header)).ok()?;
        value.set_sensitive(true);
        Some(Self { header: value, possession })
    }

    /// The header value to send. It is not enough for a token that is [bound](Self::possession).
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.header
    }

    /// What the token is bound to; none for a bearer token.
    #[must_use]
    pub fn possession(&self) -> Option<&Arc<dyn Possession>> {
        self.possession.as_ref()
    }

    /// Puts the header, and the proof that a bound token needs, on a request that has its method and its URL. If the
    /// token has [connections](Possession::connections) of its own, the request has to go out on those.
    ///
    /// # Errors
    /// There is no proof.
    pub fn add_to<B>(&self, request: &mut Request<B>) -> Result<(), TokenSourceError> {
        if let Some(possession) = &self.possession
            && let Some((name, proof)) =
                possession.prove(request.method(), request.uri(), self.expose_token())?
        {
            request.headers_mut().insert(name, proof);
        }
        request.headers_mut().insert(AUTHORIZATION, self.header.clone());
        Ok(())
    }

    /// The token without its scheme.
    #[must_use]
    pub fn expose_token(&self) -> &str {
        self.header.to_str().ok().and_then(|value| value.split_once(' ')).map_or("", |(_, token)| token)
    }
}

impl Eq for Authorization {}

impl PartialEq for Authorization {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization([redacted])")
    }
}

/// Why there is no token.
#[derive(Debug)]
pub struct TokenSourceError {
    transient: bool,
    retry_at: Option<SystemTime>,
    source: Box<dyn Error + Send + Sync>,
}

impl TokenSourceError {
    /// A failure that somebody has to mend.
    pub fn permanent(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { transient: false, retry_at: None, source: source.into() }
    }

    /// A failure that passes by itself, at `retry_at` if the server said when.
    pub fn transient(source: impl Into<Box<dyn Error + Send + Sync>>, retry_at: Option<SystemTime>) -> Self {
        Self { transient: true, retry_at, source: source.into() }
    }

    /// Whether it passes without a human.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// When the server wants to be asked again.
    #[must_use]
    pub fn retry_at(&self) -> Option<SystemTime> {
        self.retry_at
    }
}

impl fmt::Display for TokenSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no access token could be acquired")
    }
}

impl Error for TokenSourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_header_shows_its_token_to_nobody_who_did_not_ask() {
        let authorization = Authorization::bearer("eyJ0.e30.c2ln").unwrap();
        assert_eq!(
            format!("{authorization:?} {:?}", authorization.header_value()),
            "Authorization([redacted]) Sensitive"
        );
        assert_eq!(authorization.expose_token(), "eyJ0.e30.c2ln");
        assert_eq!(Authorization::bearer("with\nnewline"), None);
    }
}
