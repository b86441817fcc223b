//! One connection pool and one TLS configuration behind the HTTP port.
//!
//! A [`Transport`] is made once per process and shared: by the identity client and by every web API client, so that
//! proxies, certificate authorities and connections are the same for all of them. It sends one request and returns
//! one response: no redirects, no retries, no cookies, no credentials of its own, nothing read from the environment.
//! The address of a request is sent byte for byte.
//!
//! HTTP/2 is spoken where the server has it, else HTTP/1.1. A connection is used for 60 seconds, so that a name that
//! leads elsewhere is followed, and no longer once it has answered `503`.

mod connector;
mod error;
mod exchange;
mod gunzip;
mod http1;
mod incoming;
mod outgoing;
mod pin;
mod pool;
mod proxy;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod resolver;
mod stream;
mod tls;
mod tunnel;

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use unattended_core::{Clock, SystemClock};

use crate::connector::Connector;
use crate::pool::Pool;

pub use crate::error::TransportError;
pub use crate::proxy::ProxySetting;
#[cfg(feature = "reqwest")]
pub use crate::reqwest_client::ReqwestClient;
pub use crate::resolver::{Resolver, SystemResolver};

/// The network of this process. Clones share the pool.
#[derive(Clone)]
pub struct Transport {
    pool: Pool,
    user_agent: HeaderValue,
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
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct TransportBuilder {
    authorities: Vec<rustls_pki_types::CertificateDer<'static>>,
    proxy: ProxySetting,
    user_agent: Option<String>,
    pinned: Option<[u8; 20]>,
    identity: Option<tls::ClientIdentity>,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
}

impl Default for TransportBuilder {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            proxy: ProxySetting::direct(),
            user_agent: None,
            pinned: None,
            identity: None,
            resolver: Arc::new(SystemResolver),
            clock: Arc::new(SystemClock),
        }
    }
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

    /// The same in DER, as a certificate file in any format can be had: the certificate with those that vouch for it, in
    /// this order, and the private key in PKCS#8, PKCS#1 or SEC 1.
    ///
    /// # Errors
    /// There is no certificate, or the key is in no such structure.
    pub fn client_identity_der(self, chain: &[Vec<u8>], key: &[u8]) -> Result<Self, TransportError> {
        Ok(Self { identity: Some(tls::ClientIdentity::from_der(chain, key)?), ..self })
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

    /// Who finds the addresses of a host; the operating system by default.
    pub fn resolver(self, resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, ..self }
    }

    /// The time; the machine's by default.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Finishes the transport. Nothing is connected to.
    ///
    /// # Errors
    /// The operating system has no certificate authorities and none was given; a proxy address that is not a URL; a
    /// user agent that no header may carry.
    pub fn build(self) -> Result<Transport, TransportError> {
        let user_agent =
            self.user_agent.as_deref().unwrap_or(concat!("unattended/", env!("CARGO_PKG_VERSION")));
        let user_agent = HeaderValue::from_str(user_agent).map_err(|error| {
            TransportError::new("no header can carry the user agent", "use printable ASCII").because(error)
        })?;
        let tls = tls::configuration(self.authorities, self.pinned, self.identity)?;
        let connector = Connector::new(tls, self.proxy.matcher()?, self.resolver, Arc::clone(&self.clock));
        Ok(Transport { pool: Pool::new(connector, self.clock), user_agent })
    }
}
