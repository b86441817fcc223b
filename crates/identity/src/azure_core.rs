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
