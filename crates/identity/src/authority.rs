//! Who issues the tokens.

use std::sync::Arc;

use http::Uri;
use tokio::sync::OnceCell;
use unattended_core::{HttpClient, TenantId};

use crate::discovery::{self, Metadata};
use crate::error::{Error, ErrorKind};

/// An authorization server: a tenant of the Microsoft identity platform, or any OAuth 2.0 issuer.
///
/// A Microsoft authority is known completely when it is built, so that the first request of a process is already the
/// token request. Another issuer's metadata is fetched at first use; the issuer in it is compared with the one asked
/// for before anything is kept (RFC 8414 section 3.3), and a failed fetch is forgotten.
#[derive(Clone, Debug)]
pub struct Authority(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Microsoft { identifier: String, metadata: Metadata },
    Issuer { issuer: String, metadata: OnceCell<Metadata> },
}

impl Authority {
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
        let identifier = format!("{base}{tenant}");
        let token_endpoint = format!("{identifier}/oauth2/v2.0/token");
        let metadata = Metadata { token_endpoint, secret_methods: None };
        Ok(Self(Arc::new(Kind::Microsoft { identifier, metadata })))
    }

    /// Any OAuth 2.0 or OpenID Connect server, by its issuer identifier.
    ///
    /// # Errors
    /// The issuer is not an `https` URL without query and fragment (RFC 8414 section 2).
    pub fn issuer(issuer: &str) -> Result<Self, Error> {
        https_url(issuer, "issuer")?;
        Ok(Self(Arc::new(Kind::Issuer { issuer: issuer.to_owned(), metadata: OnceCell::new() })))
    }

    /// What tells this authority from others: the tenant's URL or the issuer.
    #[must_use]
    pub fn identifier(&self) -> &str {
        match &*self.0 {
            Kind::Microsoft { identifier, .. } => identifier,
            Kind::Issuer { issuer, .. } => issuer,
        }
    }

    /// Whether this is the Microsoft identity platform, with its scope rules and request headers.
    #[must_use]
    pub fn is_microsoft(&self) -> bool {
        matches!(&*self.0, Kind::Microsoft { .. })
    }

    /// Where the OpenID metadata of this authority is found.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        match &*self.0 {
            Kind::Microsoft { identifier, .. } => {
                format!("{identifier}/v2.0/.well-known/openid-configuration")
            }
            Kind::Issuer { issuer, .. } => discovery::openid_url(issuer),
        }
    }

    pub(crate) async fn metadata(&self, http: &dyn HttpClient) -> Result<&Metadata, Error> {
        match &*self.0 {
            Kind::Microsoft { metadata, .. } => Ok(metadata),
            Kind::Issuer { issuer, metadata } => {
                metadata.get_or_try_init(|| discovery::fetch(issuer, http)).await
            }
        }
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
    use super::*;

    #[test]
    fn a_microsoft_authority_knows_its_token_endpoint_without_asking() {
        let tenant = TenantId::parse("contoso.onmicrosoft.com").unwrap();
        let authority = Authority::microsoft("https://localhost:8443", &tenant).unwrap();
        let Kind::Microsoft { metadata, .. } = &*authority.0 else { panic!("not Microsoft") };
        assert_eq!(
            metadata.token_endpoint,
            "https://localhost:8443/contoso.onmicrosoft.com/oauth2/v2.0/token"
        );
    }

    #[test]
    fn an_authority_that_could_never_be_trusted_is_refused_when_it_is_built() {
        let tenant = TenantId::parse("contoso.onmicrosoft.com").unwrap();
        for host in ["http://localhost", "https://h/tenant", "https://u:p@h", "h", "https://h?x=1"] {
            assert!(Authority::microsoft(host, &tenant).is_err(), "{host}");
        }
        for issuer in ["http://idp.example", "https://idp.example/#f", "idp"] {
            assert!(Authority::issuer(issuer).is_err(), "{issuer}");
        }
    }
}
