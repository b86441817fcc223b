//! A client secret.

use unattended_core::{BoxFuture, Secret};

use super::{AuthenticationContext, Credential};
use crate::error::Error;
use crate::token_request::TokenRequest;

/// A secret shared with the authorization server.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    secret: Secret,
    method: Option<SecretMethod>,
}

/// How a secret is sent, by the names of the OAuth registry (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretMethod {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

impl ClientSecret {
    /// A secret, sent in the form to the Microsoft identity platform and elsewhere as the server's metadata says
    /// (`client_secret_basic` where it says nothing, RFC 8414 section 2).
    ///
    /// # Errors
    /// The secret is empty or is not text.
    pub fn new(secret: Secret) -> Result<Self, Error> {
        match secret.expose_text() {
            None => Err(Error::credential("the client secret is not text")),
            Some(text) if text.trim().is_empty() => Err(Error::credential("the client secret is empty")),
            Some(_) => Ok(Self { secret, method: None }),
        }
    }

    /// Sends the secret by `method`, whatever the metadata says.
    #[must_use]
    pub fn with_method(self, method: SecretMethod) -> Self {
        Self { method: Some(method), ..self }
    }

    fn method(&self, context: &AuthenticationContext<'_>) -> SecretMethod {
        let lists = |name: &str| {
            context.secret_methods.is_none_or(|methods| methods.iter().any(|listed| listed == name))
        };
        self.method.unwrap_or_else(|| match context.is_microsoft || !lists("client_secret_basic") {
            true => SecretMethod::Post,
            false => SecretMethod::Basic,
        })
    }
}

impl Credential for ClientSecret {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let secret = self.secret.expose_text().unwrap_or_default();
        let done = match self.method(context) {
            SecretMethod::Basic => request.basic(context.client_id, secret),
            SecretMethod::Post => {
                request.field("client_id", context.client_id);
                request.field("client_secret", secret);
                Ok(())
            }
        };
        Box::pin(std::future::ready(done))
    }

    fn describe(&self) -> String {
        "client secret".to_owned()
    }
}
