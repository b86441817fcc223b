//! Tokens that are good only in the hands of whoever holds a key.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::{HttpClient, TokenSourceError};

/// What a token is bound to: its holder shows with every request that it has the same key.
///
/// It travels with the token, inside of [`Authorization`](crate::Authorization), so that no layer in between can lose one
/// of the two or put them together wrongly.
pub trait Possession: fmt::Debug + Send + Sync + 'static {
    /// The connections that show the certificate which the token is bound to (RFC 8705 section 3): the only ones on
    /// which it may travel. None if it may on any.
    fn connections(&self) -> Option<&Arc<dyn HttpClient>> {
        None
    }

    /// The header that goes with `token` on this one request (RFC 9449 section 4), if there has to be one.
    ///
    /// # Errors
    /// The key gave no signature.
    fn prove(
        &self,
        method: &Method,
        uri: &Uri,
        token: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, TokenSourceError>;

    /// Looks at an answer of the server of `uri` for what the next proof has to contain (RFC 9449 section 8).
    fn heed(&self, uri: &Uri, headers: &HeaderMap) {
        let _ = (uri, headers);
    }
}
