//! How the application proves that it is itself.

mod certificate;
mod secret;

use std::fmt;
use std::time::SystemTime;

use unattended_core::BoxFuture;

pub use self::certificate::ClientCertificate;
pub use self::secret::{ClientSecret, SecretMethod};
use crate::error::Error;
use crate::token_request::TokenRequest;

/// Proves the client to the token endpoint (RFC 6749 section 2.3, RFC 7521 section 4.2).
///
/// Called once for every attempt that leaves the machine, never for a token that is in the cache. Dropping the future
/// must harm nothing.
pub trait Credential: fmt::Debug + Send + Sync + 'static {
    /// Adds what proves the client to `request`.
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// A number that changes whenever another secret, key or file content has taken the place of the one before. What
    /// a server said to the old one, such as to be patient, is no longer held against the new one.
    fn epoch(&self) -> u64 {
        0
    }

    /// When the credential stops being accepted, if that is known.
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }

    /// What this credential is, in words that may be logged.
    fn describe(&self) -> String;
}

/// What a credential may need to know of the request that it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthenticationContext<'a> {
    /// The client identifier.
    pub client_id: &'a str,
    /// The token endpoint: the audience of an assertion (RFC 7523 section 3).
    pub token_endpoint: &'a str,
    /// The methods for secrets that the server's metadata lists, if it lists any.
    pub secret_methods: Option<&'a [String]>,
    /// Whether the server is the Microsoft identity platform.
    pub is_microsoft: bool,
    /// Wall time.
    pub now: SystemTime,
    /// An identifier that no other attempt has (`jti`).
    pub unique_id: &'a str,
}
