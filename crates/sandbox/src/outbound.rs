//! The way out: how the sandbox reaches the issuers of federated credentials.

use std::fmt;
use std::sync::OnceLock;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use unattended_core::{HttpClient, HttpError, HttpErrorKind, ResponseBody};
use unattended_transport::Transport;

use crate::SandboxError;

/// An HTTPS client that is made when it is first needed: most sandboxes ask nobody, and to read the operating system's
/// certificate authorities takes longer than the rest of a start.
pub(crate) struct Outbound {
    authorities: Vec<Vec<u8>>,
    transport: OnceLock<Result<Transport, String>>,
}

impl Outbound {
    /// Trusts these PEM bundles beside the operating system's authorities.
    ///
    /// # Errors
    /// A bundle without a certificate that can be trusted.
    pub(crate) fn trusting(authorities: Vec<Vec<u8>>) -> Result<Self, SandboxError> {
        for bundle in &authorities {
            let invalid = |error| SandboxError::internal("a certificate authority cannot be trusted", error);
            drop(Transport::builder().extra_ca_pem(bundle).map_err(invalid)?);
        }
        Ok(Self { authorities, transport: OnceLock::new() })
    }

    fn make(&self) -> Result<Transport, String> {
        let mut builder =
            Transport::builder().user_agent(concat!("unattended-sandbox/", env!("CARGO_PKG_VERSION")));
        for bundle in &self.authorities {
            builder = builder.extra_ca_pem(bundle).map_err(|error| error.to_string())?;
        }
        builder.build().map_err(|error| error.to_string())
    }
}

impl HttpClient for Outbound {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        match self.transport.get_or_init(|| self.make()) {
            Ok(transport) => transport.send(request),
            Err(reason) => {
                Box::pin(std::future::ready(Err(HttpError::new(HttpErrorKind::Connect, reason.clone()))))
            }
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("authorities", &self.authorities.len()).finish_non_exhaustive()
    }
}
