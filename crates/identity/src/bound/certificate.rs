//! A certificate that connections show, and tokens are bound to (RFC 8705 section 3).

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Uri};
use unattended_core::{HttpClient, Possession, TokenSourceError};

/// Connections with the SHA-256 thumbprint of the certificate that they show.
pub(crate) struct Shown {
    pub(crate) thumbprint: [u8; 32],
    pub(crate) connections: Arc<dyn HttpClient>,
}

impl Possession for Shown {
    fn connections(&self) -> Option<&Arc<dyn HttpClient>> {
        Some(&self.connections)
    }

    /// The handshake is the proof.
    fn prove(
        &self,
        _: &Method,
        _: &Uri,
        _: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, TokenSourceError> {
        Ok(None)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}
