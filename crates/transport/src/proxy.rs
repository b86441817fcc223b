//! The way out of the network.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use unattended_core::redact_url;

use crate::error::TransportError;

/// Through which proxy `https` requests go, and which do not.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ProxySetting {
    address: Option<String>,
    exceptions: Option<String>,
}

impl ProxySetting {
    /// No proxy.
    #[must_use]
    pub fn direct() -> Self {
        Self::default()
    }

    /// A proxy for `https` requests, for example `http://proxy.example:3128`; it may hold a user name and password.
    #[must_use]
    pub fn through(address: &str) -> Self {
        Self { address: Some(address.to_owned()), exceptions: None }
    }

    /// Hosts that are reached directly: names (with their subdomains), addresses and CIDR blocks, separated by commas.
    #[must_use]
    pub fn except(self, exceptions: &str) -> Self {
        Self { exceptions: Some(exceptions.to_owned()), ..self }
    }

    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            [name.to_owned(), name.to_ascii_lowercase()]
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        Self {
            address: either("HTTPS_PROXY").or_else(|| either("ALL_PROXY")),
            exceptions: either("NO_PROXY"),
        }
    }

    /// Which addresses are reached through the proxy. This machine is always reached directly: no proxy could know which
    /// machine is meant. So is every `http` address: what is not encrypted is for this machine and its host.
    pub(crate) fn matcher(&self) -> Result<Matcher, TransportError> {
        const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";
        let Some(address) = &self.address else { return Ok(Matcher::builder().build()) };
        let unusable = |reason: &str| {
            TransportError::new(
                format!("the proxy `{}` {reason}", redact_url(address)),
                "set HTTPS_PROXY to an address such as http://proxy.example:3128",
            )
        };
        let proxy = Matcher::builder().https(address.trim()).build();
        let proxy = proxy.intercept(&Uri::from_static("https://any.invalid/"));
        let proxy = proxy.filter(|proxy| {
            proxy.uri().authority().is_some_and(|authority| {
                let (host, port) = (authority.host(), authority.port_u16());
                !host.is_empty() && (port.is_some() || authority.as_str() == host)
            })
        });
        let proxy = proxy.ok_or_else(|| unusable("is not a URL"))?;
        if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
            return Err(unusable("does not speak HTTP"));
        }
        let exceptions = match &self.exceptions {
            Some(exceptions) => format!("{exceptions},{LOOPBACK}"),
            None => LOOPBACK.to_owned(),
        };
        Ok(Matcher::builder().https(address.trim()).no(exceptions).build())
    }
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySetting")
            .field("address", &self.address.as_deref().map(redact_url))
            .field("exceptions", &self.exceptions)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> ProxySetting {
        ProxySetting::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    // HP-1
    #[test]
    fn the_usual_variables_are_understood_in_either_case() {
        let expected = ProxySetting::through("http://proxy:3128").except("corp.example");
        assert_eq!(from(&[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "corp.example")]), expected);
        assert_eq!(from(&[("https_proxy", "http://proxy:3128"), ("NO_PROXY", "corp.example")]), expected);
        assert_eq!(from(&[("ALL_PROXY", "http://proxy:3128")]), ProxySetting::through("http://proxy:3128"));
        assert_eq!(from(&[("HTTPS_PROXY", " ")]), ProxySetting::direct());
        assert_eq!(from(&[("HTTP_PROXY", "http://proxy:3128")]), ProxySetting::direct());
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let shown = format!("{:?}", ProxySetting::through("http://user:hunter2@proxy:3128"));
        assert!(!shown.contains("hunter2") && shown.contains("proxy:3128"), "{shown}");
    }
}
