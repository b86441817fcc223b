//! Who issues the tokens.
//!
//! # Why is there no discovery request for the Microsoft identity platform?
//!
//! The obvious design asks the server first: which hosts are you, where is your token endpoint? That costs one to three
//! round trips before the first token, needs a host that a network without the internet may not reach, and hands the
//! choice of the host that a secret is sent to over to an answer. The platform's hosts and paths are documented and
//! have not changed in ten years, so they are a table here, and the first request of a process is the token request.
//!
//! # And for any other server?
//!
//! There the metadata has to be read (RFC 8414, OpenID Connect Discovery). The issuer in it is compared with the one
//! that was asked for *before anything is kept*: a check after the first use would let the second use pass. A failure
//! is remembered for seconds, so that a herd does not run into the same wall one by one.

mod cloud;
mod discovery;
mod metadata;

use std::fmt::{self, Display as _, Write as _};
use std::sync::Arc;

use http::Uri;
use unattended_core::{Clock, HttpClient, TenantId};

pub use self::cloud::{Cloud, Region};
use self::discovery::Discovery;
pub(crate) use self::metadata::Metadata;
use crate::error::{Error, ErrorKind};

/// An authorization server: a tenant of the Microsoft identity platform, an AD FS farm, or any OAuth 2.0 issuer. Cheap
/// to clone; clones share what was discovered.
#[derive(Clone, Debug)]
pub struct Authority {
    server: Arc<Server>,
    tenant: Option<TenantId>,
}

#[derive(Debug)]
enum Server {
    /// `origin` is the scheme and host that tokens are asked of; it ends in a slash.
    Platform {
        origin: String,
        host: String,
        cloud: Option<Cloud>,
    },
    /// Active Directory Federation Services; `base` ends in `/adfs`.
    FederationServices {
        base: String,
    },
    Issuer {
        issuer: String,
        discovery: Discovery,
    },
}

impl Authority {
    /// The tenant `tenant` in a cloud of the Microsoft identity platform.
    #[must_use]
    pub fn cloud(cloud: Cloud, tenant: &TenantId) -> Self {
        let origin = format!("https://{}/", cloud.host());
        Self::platform(origin, cloud.host().to_owned(), Some(cloud), tenant)
    }

    /// The tenant `tenant` on a host of the Microsoft identity platform (or on a sandbox), such as
    /// `https://login.microsoftonline.com`.
    ///
    /// # Errors
    /// The host is not an `https` origin. `http` is refused on loopback, too: no client of the platform speaks it.
    pub fn microsoft(host: &str, tenant: &TenantId) -> Result<Self, Error> {
        let base = https_url(host, "authority")?;
        if base.path() != "/" {
            return Err(Error::configuration(format!(
                "the authority `{host}` has a path; the tenant is configured by itself"
            )));
        }
        let name = base.authority().map_or("", |authority| authority.as_str()).to_ascii_lowercase();
        let cloud = Cloud::of_host(&name);
        Ok(Self::platform(format!("https://{name}/"), name, cloud, tenant))
    }

    /// An external tenant for customers (Entra External ID, CIAM), by its subdomain: `contoso` is
    /// `contoso.ciamlogin.com`.
    ///
    /// # Errors
    /// The subdomain is not one DNS label.
    pub fn external_id(subdomain: &str, tenant: &TenantId) -> Result<Self, Error> {
        let is_label = !subdomain.is_empty()
            && subdomain.len() <= 63
            && subdomain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_label {
            return Err(Error::configuration(format!(
                "`{}` is no subdomain of ciamlogin.com",
                subdomain.escape_debug()
            )));
        }
        Self::microsoft(&format!("https://{subdomain}.ciamlogin.com"), tenant)
    }

    /// Active Directory Federation Services, such as `https://adfs.contoso.com/adfs`.
    ///
    /// # Errors
    /// Not an `https` URL whose path is `/adfs`.
    pub fn adfs(base: &str) -> Result<Self, Error> {
        let url = https_url(base, "authority")?;
        if !url.path().trim_end_matches('/').eq_ignore_ascii_case("/adfs") {
            return Err(Error::configuration(format!(
                "`{base}` is no AD FS authority: its path is /adfs and nothing more"
            )));
        }
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { server: Arc::new(Server::FederationServices { base }), tenant: None })
    }

    /// Any OAuth 2.0 or OpenID Connect server, by its issuer identifier.
    ///
    /// # Errors
    /// The issuer is not an `https` URL without query and fragment (RFC 8414 section 2).
    pub fn issuer(issuer: &str) -> Result<Self, Error> {
        https_url(issuer, "issuer")?;
        let server = Server::Issuer { issuer: issuer.to_owned(), discovery: Discovery::default() };
        Ok(Self { server: Arc::new(server), tenant: None })
    }

    /// The same tenant, asked at the hosts of one region. Tokens are the same as those of the global host.
    ///
    /// # Errors
    /// Only clouds of the table have regions.
    pub fn in_region(self, region: &Region) -> Result<Self, Error> {
        let Server::Platform { cloud: Some(cloud), host, .. } = &*self.server else {
            return Err(Error::configuration(format!("`{}` has no regions", self.identifier())));
        };
        let origin = format!("https://{}/", cloud.regional_host(region));
        let server = Server::Platform { origin, host: host.clone(), cloud: Some(*cloud) };
        Ok(Self { server: Arc::new(server), ..self })
    }

    /// Another tenant of the same server.
    ///
    /// # Errors
    /// The server has no tenants: it is no host of the Microsoft identity platform.
    pub fn in_tenant(&self, tenant: &TenantId) -> Result<Self, Error> {
        self.expect_tenants()?;
        Ok(self.with_tenant(Some(tenant.clone())))
    }

    /// An error if the server has no tenants.
    pub(crate) fn expect_tenants(&self) -> Result<(), Error> {
        match &*self.server {
            Server::Platform { .. } => Ok(()),
            _ => Err(Error::configuration(format!("`{}` has no tenants", self.identifier()))),
        }
    }

    /// The same server, in a tenant if it has any.
    pub(crate) fn with_tenant(&self, tenant: Option<TenantId>) -> Self {
        Self { server: Arc::clone(&self.server), tenant }
    }

    /// The tenant, if the server has tenants.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// What tells this authority from others: the tenant's URL or the issuer. A region is not in it, and the hosts of
    /// one cloud count as one: their tokens are the same.
    #[must_use]
    pub fn identifier(&self) -> String {
        match &*self.server {
            Server::Platform { host, cloud, .. } => {
                let host = cloud.map_or(host.as_str(), |cloud| cloud.host());
                format!("https://{host}/{}", self.tenant_path())
            }
            Server::FederationServices { base } => base.clone(),
            Server::Issuer { issuer, .. } => issuer.clone(),
        }
    }

    /// Whether this is the Microsoft identity platform, with its scope rules and request headers.
    #[must_use]
    pub fn is_microsoft(&self) -> bool {
        matches!(&*self.server, Server::Platform { .. })
    }

    /// Whether the server takes the resource in a parameter of its own instead of the scope.
    pub(crate) fn is_adfs(&self) -> bool {
        matches!(&*self.server, Server::FederationServices { .. })
    }

    /// Where the OpenID metadata of this authority is found.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        match &*self.server {
            Server::Platform { origin, .. } => {
                format!("{origin}{}/v2.0/.well-known/openid-configuration", self.tenant_path())
            }
            Server::FederationServices { base } => discovery::openid_url(base),
            Server::Issuer { issuer, .. } => discovery::openid_url(issuer),
        }
    }

    /// The token endpoint, if nobody has to be asked for it.
    pub(crate) fn known_endpoint(&self) -> Option<String> {
        match &*self.server {
            Server::Platform { origin, .. } => {
                // One is put together for each request: in room that need not grow.
                let mut endpoint = String::with_capacity(128);
                write!(endpoint, "{origin}{}/oauth2/v2.0/token", self.tenant_path()).ok()?;
                Some(endpoint)
            }
            Server::FederationServices { base } => Some(format!("{base}/oauth2/token")),
            Server::Issuer { discovery, .. } => discovery.known_endpoint(),
        }
    }

    /// The token endpoint for clients that show a certificate, if there is one.
    pub(crate) fn mutual_tls_endpoint(&self, metadata: &Metadata) -> Option<String> {
        if let Server::Issuer { .. } = &*self.server {
            return metadata.mutual_tls_endpoint.clone();
        }
        let Server::Platform { origin, cloud, .. } = &*self.server else { return None };
        let host = cloud::mutual_tls_host(origin.strip_prefix("https://")?.strip_suffix('/')?, *cloud)?;
        Some(format!("https://{host}/{}/oauth2/v2.0/token", self.tenant_path()))
    }

    pub(crate) async fn metadata(
        &self,
        http: &dyn HttpClient,
        clock: &dyn Clock,
    ) -> Result<Arc<Metadata>, Error> {
        if let Server::Issuer { issuer, discovery } = &*self.server {
            return Box::pin(discovery.metadata(issuer, http, clock)).await;
        }
        Ok(Arc::new(Metadata {
            token_endpoint: self.known_endpoint().unwrap_or_default(),
            mutual_tls_endpoint: None,
            secret_methods: self.is_adfs().then(|| vec!["client_secret_post".to_owned()]),
        }))
    }

    fn platform(origin: String, host: String, cloud: Option<Cloud>, tenant: &TenantId) -> Self {
        Self { server: Arc::new(Server::Platform { origin, host, cloud }), tenant: Some(tenant.clone()) }
    }

    fn tenant_path(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.tenant.iter().try_for_each(|tenant| tenant.fmt(f)))
    }
}

fn https_url(text: &str, what: &str) -> Result<Uri, Error> {
    let uri: Uri = text.parse().map_err(|cause| {
        Error::new(ErrorKind::Configuration, format!("the {what} `{text}` is no URL")).caused_by(cause)
    })?;
    let complaint = if uri.scheme_str() != Some("https") {
        "is not an https URL"
    } else if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        "carries user information"
    } else if uri.query().is_some() || text.contains('#') {
        "has a query or a fragment"
    } else {
        return Ok(uri);
    };
    Err(Error::configuration(format!("the {what} `{}` {complaint}", unattended_core::redact_url(text))))
}

#[cfg(test)]
mod tests {
    use unattended_core::ManualClock;

    use super::*;
    use crate::test_support::Server as TokenServer;

    fn contoso() -> TenantId {
        TenantId::parse("contoso.onmicrosoft.com").unwrap()
    }

    /// The token endpoint, known without a request.
    async fn endpoint(authority: &Authority) -> String {
        let (server, clock) = (TokenServer::new(), ManualClock::at(0));
        let metadata = authority.metadata(&server, &clock).await.unwrap();
        assert!(server.requests().is_empty());
        metadata.token_endpoint.clone()
    }

    // Cases 38, 39, 64, 68 of the peers' suites: no round trip before the token request; region and alias do not
    // separate tokens; a port is kept.
    #[tokio::test]
    async fn a_microsoft_authority_knows_its_token_endpoint_without_asking() {
        let region = Region::parse("westus2").unwrap();
        for (authority, token_endpoint, identifier) in [
            (
                Authority::cloud(Cloud::UsGovernment, &contoso()),
                "https://login.microsoftonline.us/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "https://login.microsoftonline.us/contoso.onmicrosoft.com",
            ),
            (
                Authority::microsoft("https://localhost:8443", &contoso()).unwrap(),
                "https://localhost:8443/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "https://localhost:8443/contoso.onmicrosoft.com",
            ),
            (
                Authority::microsoft("https://login.windows.net/", &contoso()).unwrap(),
                "https://login.windows.net/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "https://login.microsoftonline.com/contoso.onmicrosoft.com",
            ),
            (
                Authority::cloud(Cloud::Public, &contoso()).in_region(&region).unwrap(),
                "https://westus2.login.microsoft.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "https://login.microsoftonline.com/contoso.onmicrosoft.com",
            ),
            (
                Authority::external_id("contoso", &contoso()).unwrap(),
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
                "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
            ),
            (
                Authority::adfs("https://adfs.contoso.com/adfs/").unwrap(),
                "https://adfs.contoso.com/adfs/oauth2/token",
                "https://adfs.contoso.com/adfs",
            ),
        ] {
            assert_eq!(endpoint(&authority).await, token_endpoint);
            assert_eq!(authority.identifier(), identifier);
        }
    }

    // Cases 38 and 61 of the peers' suites.
    #[tokio::test]
    async fn clients_with_a_certificate_are_sent_to_the_host_that_asks_for_it_where_that_is_known() {
        let region = Region::parse("westus2").unwrap();
        let regional = |cloud| Authority::cloud(cloud, &contoso()).in_region(&region).unwrap();
        let named = |host: &str| Authority::microsoft(host, &contoso()).unwrap();
        for (authority, host) in [
            (Authority::cloud(Cloud::Public, &contoso()), Some("mtlsauth.microsoft.com")),
            (named("https://sts.windows.net"), Some("mtlsauth.microsoft.com")),
            (regional(Cloud::Public), Some("westus2.mtlsauth.microsoft.com")),
            (Authority::cloud(Cloud::UsGovernment, &contoso()), Some("mtlsauth.microsoftonline.us")),
            (named("https://login.usgovcloudapi.net"), Some("mtlsauth.microsoftonline.us")),
            (regional(Cloud::China), Some("westus2.mtlsauth.partner.microsoftonline.cn")),
            (named("https://localhost:8443"), Some("mtlsauth.localhost:8443")),
            (named("https://login.example"), None),
            (Authority::adfs("https://adfs.contoso.com/adfs").unwrap(), None),
        ] {
            let metadata = authority.metadata(&TokenServer::new(), &ManualClock::at(0)).await.unwrap();
            let expected =
                host.map(|host| format!("https://{host}/contoso.onmicrosoft.com/oauth2/v2.0/token"));
            assert_eq!(authority.mutual_tls_endpoint(&metadata), expected, "{}", authority.identifier());
        }
    }

    // Cases 69 and 71 of the peers' suites.
    #[test]
    fn an_authority_that_could_never_be_trusted_is_refused_when_it_is_built() {
        for host in ["http://localhost", "https://h/tenant", "https://u:p@h", "h", "https://h?x=1"] {
            assert!(Authority::microsoft(host, &contoso()).is_err(), "{host}");
        }
        for issuer in ["http://idp.example", "https://idp.example/#f", "idp"] {
            assert!(Authority::issuer(issuer).is_err(), "{issuer}");
        }
        for base in ["https://adfs.contoso.com", "https://adfs.contoso.com/adfs/ls", "http://a/adfs"] {
            assert!(Authority::adfs(base).is_err(), "{base}");
        }
        assert!(Authority::external_id("contoso.evil", &contoso()).is_err());
        let region = Region::parse("westus2").unwrap();
        let sandbox = Authority::microsoft("https://localhost:8443", &contoso()).unwrap();
        assert!(sandbox.in_region(&region).unwrap_err().to_string().contains("no regions"));
        let issuer = Authority::issuer("https://idp.example").unwrap();
        assert!(issuer.in_tenant(&contoso()).unwrap_err().to_string().contains("no tenants"));
    }

    // Case 23 of the peers' suites.
    #[tokio::test]
    async fn another_tenant_is_asked_at_the_same_host_as_it_was_named() {
        let consumers = TenantId::parse("9188040d-6c67-4c5b-b112-36a304b66dad").unwrap();
        let authority = Authority::cloud(Cloud::Public, &contoso()).in_tenant(&consumers).unwrap();
        assert_eq!(
            endpoint(&authority).await,
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/oauth2/v2.0/token"
        );
    }
}
