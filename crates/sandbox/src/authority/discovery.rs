//! What clients and APIs learn about the authority: instance discovery and OpenID metadata.

use serde_json::{Value, json};
use url::Url;

use super::claims::{REGION, Version, issuer};
use super::error::{self, AuthorityError};
use super::origin::Origin;
use crate::control::settings::InstanceDiscovery;

/// Where tenant names would stand for every tenant.
const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// Which tenant a document is for.
#[derive(Debug)]
pub(crate) enum TenantSegment {
    /// One tenant, by its GUID.
    Tenant(String),
    /// `common`, `organizations` or `consumers`.
    Crowd(String),
}

impl TenantSegment {
    fn in_url(&self) -> &str {
        match self {
            Self::Tenant(name) | Self::Crowd(name) => name,
        }
    }

    fn in_issuer(&self) -> &str {
        match self {
            Self::Tenant(id) => id,
            Self::Crowd(_) => TENANT_PLACEHOLDER,
        }
    }
}

/// Answers whether an authority is known: this one is, under each of its names, unless a setting says otherwise, and no
/// other.
pub(crate) fn instance(
    origin: &Origin,
    known: InstanceDiscovery,
    query: &str,
) -> Result<Value, AuthorityError> {
    let parameter = |wanted: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let malformed = || AuthorityError::from(&error::MALFORMED_DISCOVERY);
    let endpoint = parameter("authorization_endpoint").ok_or_else(malformed)?;
    let endpoint = Url::parse(&endpoint).map_err(|_| malformed())?;
    let version = parameter("api-version").unwrap_or_else(|| "1.0".into());
    if !matches!(version.as_str(), "1.0" | "1.1") {
        return Err(malformed());
    }
    if known == InstanceDiscovery::Unknown || !origin.owns(&endpoint) {
        return Err(AuthorityError::from(&error::UNKNOWN_INSTANCE));
    }
    let tenant = endpoint.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    let infix = if endpoint.path().to_ascii_lowercase().contains("/oauth2/v2.0/") { "/v2.0" } else { "" };
    let document = format!("{}/{tenant}{infix}/.well-known/openid-configuration", origin.base());
    if version == "1.0" {
        return Ok(json!({ "tenant_discovery_endpoint": document }));
    }
    let host = origin.authority();
    Ok(json!({
        "tenant_discovery_endpoint": document,
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

/// The OpenID provider metadata (OpenID Connect Discovery 1.0 section 3) of either version.
pub(crate) fn metadata(origin: &Origin, tenant: &TenantSegment, version: Version, query: &str) -> Value {
    let base = format!("{}/{}", origin.base(), tenant.in_url());
    let (oauth, keys) = match version {
        Version::V1 => (format!("{base}/oauth2"), format!("{base}/discovery/keys")),
        Version::V2 => (format!("{base}/oauth2/v2.0"), format!("{base}/discovery/v2.0/keys")),
    };
    let app_id = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "appid" && uuid::Uuid::try_parse(value).is_ok());
    let jwks_uri = app_id.map_or_else(|| keys.clone(), |(_, id)| format!("{keys}?appid={id}"));
    let mutual_tls_endpoint = format!("{oauth}/token").replacen(origin.base(), &origin.mutual_tls_base(), 1);
    let mut document = json!({
        "token_endpoint": format!("{oauth}/token"),
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "private_key_jwt", "client_secret_basic", "tls_client_auth",
            "self_signed_tls_client_auth"
        ],
        "jwks_uri": jwks_uri,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(origin, tenant.in_issuer(), version),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{oauth}/authorize"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{oauth}/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid",
            "ver", "at_hash", "c_hash", "email"
        ],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "tenant_region_scope": match tenant {
            TenantSegment::Tenant(_) => Value::from(REGION),
            TenantSegment::Crowd(_) => Value::Null,
        },
        "mtls_endpoint_aliases": { "token_endpoint": mutual_tls_endpoint },
        "tls_client_certificate_bound_access_tokens": true,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    if version == Version::V1 {
        document["microsoft_multi_refresh_token"] = true.into();
        document["check_session_iframe"] = format!("{oauth}/checksession").into();
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Result<Value, u32> {
        instance(&Origin::of_port(8443), InstanceDiscovery::Known, query).map_err(|error| error.entry.code)
    }

    // authority 3
    #[test]
    fn the_authority_knows_itself_in_both_versions_and_nobody_else() {
        let answer = ask("authorization_endpoint=https%3A%2F%2Flocalhost%3A8443%2Fcontoso.onmicrosoft.com%2Foauth2%2Fv2.0%2Fauthorize&api-version=1.0").unwrap();
        let document = "https://localhost:8443/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
        assert_eq!(answer, json!({ "tenant_discovery_endpoint": document }));

        let answer =
            ask("api-version=1.1&authorization_endpoint=https://localhost:8443/common/oauth2/authorize")
                .unwrap();
        assert_eq!(
            answer["tenant_discovery_endpoint"],
            "https://localhost:8443/common/.well-known/openid-configuration"
        );
        assert_eq!(answer["metadata"][0]["aliases"], json!(["localhost:8443"]));

        for foreign in ["https://login.example/common/oauth2/authorize", "http://localhost:8443/common"] {
            assert_eq!(ask(&format!("api-version=1.1&authorization_endpoint={foreign}")), Err(50_049));
        }
        for malformed in [
            "",
            "api-version=1.1",
            "authorization_endpoint=x",
            "api-version=9&authorization_endpoint=https://localhost/a",
        ] {
            assert_eq!(ask(malformed), Err(50_050), "{malformed}");
        }
    }

    // authority 4
    #[test]
    fn metadata_of_no_tenant_in_particular_has_a_placeholder_for_an_issuer() {
        let crowd = TenantSegment::Crowd("common".into());
        let document = metadata(&Origin::of_port(443), &crowd, Version::V2, "");
        assert_eq!(document["issuer"], "https://localhost/{tenantid}/v2.0");
        assert_eq!(document["token_endpoint"], "https://localhost/common/oauth2/v2.0/token");
        assert_eq!(document["tenant_region_scope"], Value::Null);
    }

    // authority 4
    #[test]
    fn the_keys_of_one_application_are_asked_for_by_its_id() {
        let tenant = TenantSegment::Tenant("11111111-1111-1111-1111-111111111111".into());
        let query = "appid=22222222-2222-2222-2222-222222222222";
        let document = metadata(&Origin::of_port(443), &tenant, Version::V1, query);
        let base = "https://localhost/11111111-1111-1111-1111-111111111111";
        assert_eq!(document["jwks_uri"], format!("{base}/discovery/keys?{query}"));
        assert_eq!(document["issuer"], format!("{base}/"));
        assert_eq!(document["token_endpoint"], format!("{base}/oauth2/token"));
    }
}
