//! Where a vault is.
//!
//! `https://localhost:PORT/vault/contoso` resolves everywhere. Its clients have to be told not to compare the
//! challenge's resource with the host, as they do by default: the resource has to be a parent domain of the vault's
//! host. `https://contoso.vault.localhost:PORT` passes that comparison, where names below `localhost` are resolved.

use axum::Router;
use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;
use tower::ServiceExt;

use crate::authority::Origin;
use crate::host::host;

/// Below this path of the origin are the vaults.
pub(super) const PATH: &str = "/vault";

/// What stands between the name of a vault and the domain of the origin.
const LABEL: &str = ".vault.localhost";

/// How a client found a vault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    /// What the links that the client follows begin with.
    pub(super) base: String,
    /// Whether the host is the vault's own.
    pub(super) by_host: bool,
}

impl Address {
    /// The address under which a request for a vault came.
    pub(super) fn of(host: &str, vault: &str) -> Self {
        match vault_of_host(host) {
            Some(_) => Self { base: format!("https://{host}"), by_host: true },
            None => Self { base: format!("https://{host}{PATH}/{vault}"), by_host: false },
        }
    }
}

/// The URL of a vault that every machine resolves.
pub(crate) fn vault_url(origin: &Origin, vault: &str) -> String {
    format!("{}{PATH}/{vault}", origin.base())
}

/// Routes in which a vault is found by its host, too: the host becomes a path.
pub(crate) fn by_host(routes: Router) -> Router {
    let rewritten = routes.map_request(|mut request: Request| {
        if let Some(uri) = vault_of_host(host(request.uri(), request.headers()))
            .and_then(|vault| below_vault(request.uri(), vault))
        {
            *request.uri_mut() = uri;
        }
        request
    });
    Router::new().fallback_service(rewritten)
}

/// The vault that a host names.
fn vault_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let vault = name.get(..name.len().checked_sub(LABEL.len())?)?;
    let is_name = !vault.is_empty() && vault.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    (is_name && name[vault.len()..].eq_ignore_ascii_case(LABEL)).then_some(vault)
}

fn below_vault(uri: &Uri, vault: &str) -> Option<Uri> {
    let asked = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{PATH}/{vault}{asked}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_below_vault_localhost_names_a_vault() {
        for (host, vault) in [
            ("contoso.vault.localhost:8443", Some("contoso")),
            ("fabrikam-2.Vault.LOCALHOST", Some("fabrikam-2")),
            ("localhost:8443", None),
            (".vault.localhost", None),
            ("a.b.vault.localhost", None),
            ("contoso.vault.localhost.example.com", None),
            ("évault.localhost", None),
            ("", None),
        ] {
            assert_eq!(vault_of_host(host), vault, "{host}");
        }
    }

    #[test]
    fn a_link_leads_back_to_where_the_client_found_the_vault() {
        let address = Address::of("127.0.0.1:8443", "contoso");
        assert_eq!((address.base.as_str(), address.by_host), ("https://127.0.0.1:8443/vault/contoso", false));
        let address = Address::of("contoso.vault.localhost:1", "contoso");
        assert_eq!((address.base.as_str(), address.by_host), ("https://contoso.vault.localhost:1", true));
        let uri = "/secrets/a/?api-version=7.4".parse().unwrap();
        assert_eq!(below_vault(&uri, "contoso").unwrap(), "/vault/contoso/secrets/a/?api-version=7.4");
        let uri = "https://contoso.vault.localhost:1/secrets?x".parse().unwrap();
        assert_eq!(
            below_vault(&uri, "contoso").unwrap(),
            "https://contoso.vault.localhost:1/vault/contoso/secrets?x"
        );
    }
}
