//! The credential trait of Microsoft's Rust SDK, so that its clients (Key Vault, Storage, Service Bus, ...) take their
//! tokens from here: with one request per token, renewal in the background, and any credential of this crate.

use azure_core::credentials::{
    AccessToken as AzureAccessToken, Secret, TokenCredential, TokenRequestOptions,
};
use azure_core::error::{Error as AzureError, ErrorKind as AzureErrorKind};
use unattended_core::Scope;

use crate::client::{ConfidentialClient, Freshness};

#[async_trait::async_trait]
impl TokenCredential for ConfidentialClient {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AzureAccessToken> {
        let refused = |error| AzureError::with_error(AzureErrorKind::Credential, error, "no access token");
        let scope = Scope::parse(&scopes.join(" "))
            .map_err(|error| AzureError::with_error(AzureErrorKind::Credential, error, "this is no scope"))?;
        let tokens = self.for_scope(scope).map_err(refused)?;
        let token = tokens.acquire(Freshness::Cached).await.map_err(refused)?;
        if token.authorization().possession().is_some() {
            let message = "the token is bound to a certificate, which the SDK does not show";
            return Err(AzureError::with_message(AzureErrorKind::Credential, message));
        }
        Ok(AzureAccessToken::new(Secret::new(token.expose().to_owned()), token.expires_at().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use unattended_core::{ClientId, ManualClock, Secret};

    use super::*;
    use crate::test_support::{Server, certificate_pem};
    use crate::{Authority, Credential, TlsClientCertificate};

    fn client(server: &Arc<Server>) -> ConfidentialClient {
        let connections = Arc::clone(server);
        let pem = Secret::from(certificate_pem());
        let shown = TlsClientCertificate::from_file(&pem, None, |_| Ok(connections as _)).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(shown.shown_certificate().unwrap());
        server
            .answer(200, r#"{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token"}"#);
        let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"cnf":{{"x5t#S256":"{thumbprint}"}}}}"#));
        server.token(&format!("e30.{payload}.c2ln"), 3_600);
        server.token("plain", 3_600);
        ConfidentialClient::builder(
            Authority::issuer("https://idp.example").unwrap(),
            ClientId::parse("app").unwrap(),
        )
        .credential(shown)
        .http(Arc::clone(server) as _)
        .clock(Arc::new(ManualClock::at(1_000)))
        .build()
        .unwrap()
    }

    #[tokio::test]
    async fn a_token_that_the_sdk_could_not_show_is_refused_and_any_other_is_given_with_its_end() {
        let server = Arc::new(Server::new());
        let client = client(&server);
        let refused = client.get_token(&["things.read"], None).await.unwrap_err();
        assert!(refused.to_string().contains("bound to a certificate"), "{refused}");
        assert!(!format!("{refused:?}").contains("c2ln"));
        let token = client.get_token(&["other", "things.read"], None).await.unwrap();
        assert_eq!(token.token.secret(), "plain");
        assert_eq!(token.expires_on.unix_timestamp(), 4_600);
        assert_eq!(server.requests()[2].field("scope"), Some("other things.read"));
        assert!(client.get_token(&[], None).await.unwrap_err().to_string().contains("no scope"));
    }
}
