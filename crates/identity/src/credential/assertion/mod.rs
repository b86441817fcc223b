//! An assertion that somebody else signed.

#[cfg(feature = "command")]
mod command;
mod file;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use unattended_core::{BoxFuture, Secret};

#[cfg(feature = "command")]
pub use self::command::AssertionCommand;
pub use self::file::AssertionFile;
pub use self::url::AssertionUrl;
use super::{AuthenticationContext, Credential};
use crate::error::Error;
use crate::token_request::TokenRequest;

/// The audience that the Microsoft identity platform expects in an assertion of another issuer, in the public cloud.
pub const TOKEN_EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// More than any token that a server takes.
const LONGEST: usize = 64 * 1024;

/// Gives signed assertions: Kubernetes, a build service, another identity platform, the application's own code.
pub trait AssertionSource: fmt::Debug + Send + Sync + 'static {
    /// An assertion (a signed JWT) for one attempt. Called only when a request is about to leave, never for a token that
    /// is in the cache; an assertion is never kept. Dropping the future must harm nothing.
    ///
    /// # Errors
    /// Why there is none: [`Error::of_credential`], or [`Error::of_outage`] for what passes.
    fn assertion<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
    ) -> BoxFuture<'a, Result<Secret, Error>>;

    /// Sees to it that the next assertion is another one, after the server refused the last one, and says whether it is
    /// worth asking for. A source that keeps nothing needs to do nothing.
    fn replace(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(true))
    }

    /// What this source is, in words that may be logged.
    fn describe(&self) -> String;
}

/// A credential without a secret of its own: whoever signs the assertion vouches for the application (RFC 7523;
/// a *federated identity credential* at the Microsoft identity platform).
#[derive(Clone, Debug)]
pub struct SignedAssertion(Arc<dyn AssertionSource>);

impl SignedAssertion {
    /// Assertions of `source`.
    pub fn new(source: impl AssertionSource) -> Self {
        Self(Arc::new(source))
    }

    /// Assertions that `callback` makes or fetches. What it is told is its own, so that it may take its time.
    pub fn from_callback<F, R>(name: &str, callback: F) -> Self
    where
        F: Fn(AssertionRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Secret, Error>> + Send + 'static,
    {
        Self::new(Callback { name: name.to_owned(), callback })
    }

    async fn present(
        &self,
        context: &AuthenticationContext<'_>,
        request: &mut TokenRequest,
    ) -> Result<(), Error> {
        let assertion = self.0.assertion(context).await?;
        let refuse = |what: &str| {
            Err(Error::credential(format!("{} {what}", self.0.describe()))
                .mended_by("let it give the signed assertion (a JWT) and nothing else"))
        };
        match assertion.expose_text().map(str::trim) {
            None | Some("") => refuse("gave no assertion"),
            Some(text) if text.len() > LONGEST => refuse("gave an assertion of more than 64 KiB"),
            Some(text) if !is_compact_jws(text) => {
                refuse("gave no signed JWT: three parts of base64url with dots between them")
            }
            Some(text) => {
                request.client_assertion(context.client_id, text);
                Ok(())
            }
        }
    }
}

impl Credential for SignedAssertion {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.present(context, request))
    }

    fn reload(&self) -> BoxFuture<'_, bool> {
        self.0.replace()
    }

    fn describe(&self) -> String {
        format!("the assertion of {}", self.0.describe())
    }
}

/// What a callback is told of the request that its assertion is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AssertionRequest {
    /// The client identifier.
    pub client_id: String,
    /// The tenant, where the server has tenants.
    pub tenant: Option<String>,
    /// The token endpoint.
    pub token_endpoint: String,
    /// The identifier that the token request carries.
    pub correlation_id: String,
    /// The claims, client capabilities among them, that the token request asks for, as JSON.
    pub claims: Option<String>,
    /// What the application adds to the form of the token request, such as `fmi_path`.
    pub parameters: BTreeMap<String, String>,
}

struct Callback<F> {
    name: String,
    callback: F,
}

impl<F, R> AssertionSource for Callback<F>
where
    F: Fn(AssertionRequest) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Secret, Error>> + Send + 'static,
{
    fn assertion<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
    ) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin((self.callback)(AssertionRequest {
            client_id: context.client_id.to_owned(),
            tenant: context.tenant.map(ToString::to_string),
            token_endpoint: context.token_endpoint.to_owned(),
            correlation_id: context.correlation_id.to_owned(),
            claims: context.claims.map(str::to_owned),
            parameters: context.parameters().map(|(name, value)| (name.into(), value.into())).collect(),
        }))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

impl<F> fmt::Debug for Callback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Callback").field(&self.name).finish()
    }
}

fn is_compact_jws(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}
