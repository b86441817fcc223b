//! A certificate that the connection shows.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use unattended_core::{BoxFuture, HttpClient, Secret};

use super::{AuthenticationContext, ClientCertificate, Credential};
use crate::bound::Shown;
use crate::error::Error;
use crate::token_request::TokenRequest;

/// A certificate that is shown in the TLS handshake with the token endpoint instead of signing an assertion (RFC 8705
/// section 2: `tls_client_auth` where a certification authority vouches for it, `self_signed_tls_client_auth` where the
/// certificate itself is registered). Tokens can be bound to it, see
/// [`ScopedToken::bound_to_certificate`](crate::ScopedToken::bound_to_certificate).
///
/// A [`WatchedCredential`](crate::WatchedCredential) exchanges it while the program runs.
#[derive(Clone)]
pub struct TlsClientCertificate {
    certificate: ClientCertificate,
    shown: Arc<Shown>,
}

/// What a TLS client shows of itself. Printing it shows nothing of the key.
pub struct TlsIdentity {
    chain: Vec<Vec<u8>>,
    key: Secret,
}

impl TlsIdentity {
    pub(super) fn new(chain: Vec<Vec<u8>>, key: Secret) -> Self {
        Self { chain, key }
    }

    /// The certificate and those that vouch for it, each in DER, without a root.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The private key in DER: PKCS#8, PKCS#1 or SEC 1.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }
}

impl TlsClientCertificate {
    /// Reads a file as [`ClientCertificate::from_file`] does; `connect` makes the connections that show what is in it,
    /// and nothing else. They are used for token requests, and for calls with tokens that are bound to the certificate.
    ///
    /// # Errors
    /// As there, and whatever `connect` complains about.
    pub fn from_file<C>(content: &Secret, password: Option<&Secret>, connect: C) -> Result<Self, Error>
    where
        C: FnOnce(&TlsIdentity) -> Result<Arc<dyn HttpClient>, Box<dyn StdError + Send + Sync>>,
    {
        let (certificate, identity) = ClientCertificate::with_identity(content, password)?;
        let connections = connect(&identity).map_err(|cause| {
            Error::credential("no connection can show the certificate").caused_by_any(cause)
        })?;
        let shown = Shown { thumbprint: *certificate.sha256(), connections };
        Ok(Self { certificate, shown: Arc::new(shown) })
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    fn show(&self, context: &AuthenticationContext<'_>, request: &mut TokenRequest) -> Result<(), Error> {
        self.certificate.check_validity_in(context)?;
        request.field("client_id", context.client_id);
        request.show(Arc::clone(&self.shown));
        Ok(())
    }
}

impl Credential for TlsClientCertificate {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(self.show(context, request)))
    }

    fn shown_certificate(&self) -> Option<[u8; 32]> {
        Some(self.shown.thumbprint)
    }

    fn not_before(&self) -> Option<SystemTime> {
        Some(self.certificate.not_before())
    }

    fn not_after(&self) -> Option<SystemTime> {
        Some(self.certificate.not_after())
    }

    fn describe(&self) -> String {
        format!("TLS {}", Credential::describe(&self.certificate))
    }
}

impl fmt::Debug for TlsClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsClientCertificate").field(&self.certificate).finish()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}
