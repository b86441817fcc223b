//! The authority's own address, and which names of it are its own.

use std::net::IpAddr;

use url::{Host, Url};

use crate::mutual_tls;
use crate::store::Tenant;

/// Where the authority is reached.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// `https://localhost:PORT`, without the port if it is 443.
    base: String,
    port: u16,
}

impl Origin {
    pub(crate) fn of_port(port: u16) -> Self {
        let base = if port == 443 { "https://localhost".into() } else { format!("https://localhost:{port}") };
        Self { base, port }
    }

    /// The address that the authority gives itself, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The same through the door of mutual TLS.
    pub(crate) fn mutual_tls_base(&self) -> String {
        self.base.replacen("localhost", mutual_tls::HOST, 1)
    }

    /// `localhost:PORT`.
    pub(crate) fn authority(&self) -> &str {
        self.base.trim_start_matches("https://")
    }

    /// `vault.localhost:PORT`: the domain of the vaults.
    pub(crate) fn vault_authority(&self) -> String {
        format!("vault.{}", self.authority())
    }

    /// How the vaults are named in scopes by clients that compare the name with the vault's host.
    pub(crate) fn vault_resource(&self) -> String {
        format!("https://{}", self.vault_authority())
    }

    /// Whether a URL points to this authority under any of its names. A client library that loses the port on the way
    /// is not blamed.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        let is_local = match url.host() {
            Some(Host::Domain(name)) => {
                ["localhost", mutual_tls::HOST].iter().any(|own| name.eq_ignore_ascii_case(own))
            }
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => false,
        };
        url.scheme() == "https" && is_local && url.port().is_none_or(|port| port == self.port)
    }

    /// Whether a URL points to this authority under the name that it gives itself.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// Whether a client assertion with this audience is meant for the tenant here: either token endpoint or either
    /// issuer, with the tenant's GUID or one of its domains.
    pub(crate) fn is_audience(&self, audience: &str, tenant: &Tenant) -> bool {
        let Ok(url) = Url::parse(audience) else { return false };
        let path = url.path().trim_matches('/').to_ascii_lowercase();
        let (name, rest) = path.split_once('/').unwrap_or((&path, ""));
        let is_tenant = name == tenant.id || tenant.domains.iter().any(|it| it.eq_ignore_ascii_case(name));
        self.owns(&url) && is_tenant && matches!(rest, "oauth2/v2.0/token" | "oauth2/token" | "v2.0" | "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AC-2
    #[test]
    fn an_assertion_is_for_one_tenant_of_this_authority() {
        let tenant = Tenant {
            id: "11111111-1111-1111-1111-111111111111".into(),
            display_name: "Contoso".into(),
            domains: vec!["contoso.onmicrosoft.com".into()],
            created_at: 0,
        };
        let origin = Origin::of_port(8443);
        for good in [
            "https://localhost:8443/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token",
            "https://localhost:8443/Contoso.onmicrosoft.com/oAuth2/v2.0/token",
            "https://127.0.0.1:8443/contoso.onmicrosoft.com/oauth2/token",
            "https://mtlsauth.localhost:8443/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token",
            "https://[::1]:8443/11111111-1111-1111-1111-111111111111/v2.0",
            "https://localhost/11111111-1111-1111-1111-111111111111/",
        ] {
            assert!(origin.is_audience(good, &tenant), "{good}");
        }
        for bad in [
            "",
            "api://AzureADTokenExchange",
            "http://localhost:8443/contoso.onmicrosoft.com/oauth2/v2.0/token",
            "https://localhost:8444/contoso.onmicrosoft.com/oauth2/v2.0/token",
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
            "https://localhost:8443/fabrikam.onmicrosoft.com/oauth2/v2.0/token",
            "https://localhost:8443/contoso.onmicrosoft.com/oauth2/v2.0/authorize",
        ] {
            assert!(!origin.is_audience(bad, &tenant), "{bad}");
        }
    }
}
