//! Metadata of an authorization server (RFC 8414, OpenID Connect Discovery 1.0).

use bytes::Bytes;
use http::Uri;
use serde::Deserialize;
use unattended_core::HttpClient;

use crate::error::{Error, ErrorKind};

/// What a client needs to know of a server.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) token_endpoint: String,
    /// `token_endpoint_auth_methods_supported`, if the server said.
    pub(crate) secret_methods: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Where OpenID Connect servers keep their metadata: below the issuer.
pub(crate) fn openid_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Where plain OAuth 2.0 servers keep it: between host and path (RFC 8414 section 3.1).
fn oauth_url(issuer: &str) -> String {
    let path =
        issuer.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let origin = issuer.trim_end_matches('/').strip_suffix(&path).unwrap_or(issuer);
    format!("{origin}/.well-known/oauth-authorization-server{path}")
}

pub(crate) async fn fetch(issuer: &str, http: &dyn HttpClient) -> Result<Metadata, Error> {
    let openid = get(&openid_url(issuer), http).await;
    let document = match openid {
        Err(error) if error.status() == Some(404) => get(&oauth_url(issuer), http).await?,
        other => other?,
    };
    if document.issuer.as_deref() != Some(issuer) {
        return Err(Error::configuration(format!(
            "the metadata of `{issuer}` says that its issuer is `{}`",
            document.issuer.unwrap_or_default().escape_debug()
        )));
    }
    let token_endpoint = document
        .token_endpoint
        .ok_or_else(|| Error::protocol(format!("the metadata of `{issuer}` names no token endpoint")))?;
    if !token_endpoint.starts_with("https://") {
        return Err(Error::protocol(format!("the token endpoint of `{issuer}` is not https")));
    }
    Ok(Metadata { token_endpoint, secret_methods: document.token_endpoint_auth_methods_supported })
}

async fn get(url: &str, http: &dyn HttpClient) -> Result<Document, Error> {
    let request = http::Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|cause| Error::configuration(format!("`{url}` cannot be requested")).caused_by(cause))?;
    let response = http.send(request).await.map_err(|cause| Error::unreachable(url, cause))?;
    let status = response.status();
    if !status.is_success() {
        let kind = if status.is_server_error() { ErrorKind::Transient } else { ErrorKind::Configuration };
        return Err(
            Error::new(kind, format!("no metadata at {url}: HTTP {status}")).with_status(status.as_u16())
        );
    }
    let body =
        response.into_body().collect(256 * 1024).await.map_err(|cause| Error::unreachable(url, cause))?;
    serde_json::from_slice(&body).map_err(|cause| {
        Error::protocol(format!("the metadata at {url} is not what RFC 8414 describes")).caused_by(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::Server;

    const ISSUER: &str = "https://idp.example/oidc";

    fn document(issuer: &str) -> String {
        format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://idp.example/oidc/token"}}"#)
    }

    // D18
    #[tokio::test]
    async fn another_issuers_metadata_is_refused_every_time_and_never_kept() {
        let server = Server::new();
        let authority = crate::Authority::issuer(ISSUER).unwrap();
        for _ in 0..2 {
            server.answer(200, &document("https://evil.example"));
            assert!(
                authority.metadata(&server).await.unwrap_err().to_string().contains("https://evil.example")
            );
        }
        server.answer(200, &document(ISSUER));
        assert_eq!(
            authority.metadata(&server).await.unwrap().token_endpoint,
            "https://idp.example/oidc/token"
        );
        authority.metadata(&server).await.unwrap();
        assert_eq!(server.requests().len(), 3);
    }

    #[tokio::test]
    async fn a_server_without_openid_metadata_is_asked_for_its_oauth_metadata() {
        let server = Server::new();
        server.answer(404, "");
        server.answer(200, &document(ISSUER));
        fetch(ISSUER, &server).await.unwrap();
        assert_eq!(
            server.requests()[1].uri,
            "https://idp.example/.well-known/oauth-authorization-server/oidc"
        );
    }
}
