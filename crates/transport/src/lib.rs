//! One connection pool and one TLS configuration behind the HTTP port.
//!
//! A [`Transport`] is made once per process and shared: by the identity client and by every web API client, so that
//! proxies, certificate authorities and connections are the same for all of them. It sends one request and returns
//! one response: no redirects, no retries, no cookies, no credentials of its own, nothing read from the environment.

mod error;
mod exchange;
mod pin;
mod proxy;
mod tls;

use std::fmt;
use std::time::Duration;

pub use crate::error::TransportError;
pub use crate::proxy::ProxySetting;

/// The network of this process. Clones share the pool.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
}

impl Transport {
    /// Begins a transport that trusts the operating system's certificate authorities.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::default()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// A transport in the making.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing before `build`"]
pub struct TransportBuilder {
    authorities: Vec<rustls_pki_types::CertificateDer<'static>>,
    proxy: ProxySetting,
    user_agent: Option<String>,
    pinned: Option<[u8; 20]>,
    identity: Option<tls::ClientIdentity>,
}

impl TransportBuilder {
    /// Trusts every certificate of a PEM bundle beside the operating system's authorities. May be called often.
    ///
    /// # Errors
    /// There is no certificate in the bundle, or one that no chain could end in.
    pub fn extra_ca_pem(mut self, bundle: &[u8]) -> Result<Self, TransportError> {
        self.authorities.extend(tls::authorities(bundle)?);
        Ok(self)
    }

    /// Believes the one server whose certificate has this SHA-1 thumbprint, in hexadecimal, and no other: for a local
    /// service that an orchestrator names so, such as the identity endpoint of Service Fabric.
    ///
    /// # Errors
    /// Not forty hexadecimal digits.
    pub fn pinned_to_sha1(self, thumbprint: &str) -> Result<Self, TransportError> {
        let pinned = pin::parse(thumbprint).ok_or_else(|| {
            TransportError::new(
                "the thumbprint of the server is not SHA-1 in hexadecimal",
                "check IDENTITY_SERVER_THUMBPRINT",
            )
        })?;
        Ok(Self { pinned: Some(pinned), ..self })
    }

    /// Shows a certificate to servers that ask for one (mutual TLS): PEM with the private key, the certificate and those
    /// that vouch for it, in this order.
    ///
    /// # Errors
    /// There is no key or no certificate in it.
    pub fn client_identity_pem(self, pem: &[u8]) -> Result<Self, TransportError> {
        Ok(Self { identity: Some(tls::ClientIdentity::from_pem(pem)?), ..self })
    }

    /// Goes through this proxy.
    pub fn proxy(self, proxy: ProxySetting) -> Self {
        Self { proxy, ..self }
    }

    /// Goes through the proxy that these variables name: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower
    /// case. `variable` looks one of them up.
    pub fn proxies_from(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        self.proxy(ProxySetting::from_variables(variable))
    }

    /// What is sent as `User-Agent`; the product and its version by default.
    pub fn user_agent(self, user_agent: &str) -> Self {
        Self { user_agent: Some(user_agent.to_owned()), ..self }
    }

    /// Finishes the transport. Nothing is connected to.
    ///
    /// # Errors
    /// The operating system has no certificate authorities and none was given; a proxy address that is not a URL; a
    /// user agent that no header may carry.
    pub fn build(self) -> Result<Transport, TransportError> {
        let user_agent =
            self.user_agent.as_deref().unwrap_or(concat!("unattended/", env!("CARGO_PKG_VERSION")));
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::configuration(self.authorities, self.pinned, self.identity)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(90))
            .user_agent(user_agent);
        let client = self.proxy.apply(builder)?.build().map_err(|error| {
            TransportError::new("the HTTP client cannot be set up", "check the proxy and the user agent")
                .because(error.without_url())
        })?;
        Ok(Transport { client })
    }
}
