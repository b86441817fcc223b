//! `unattended-webapi`, with all of its layers.

use std::sync::Arc;

use unattended_core::{Authorization, BoxFuture, TokenDemand, TokenSource, TokenSourceError};
use unattended_transport::Transport;
use unattended_webapi::Client;

use crate::{BoxError, Caller};

/// A client of the API at `base` that sends `token`, and lets up to so many calls be under way at once.
///
/// # Errors
/// The base, the certificate or the token cannot be used.
pub fn client(base: &str, ca_pem: &[u8], token: &str, under_way: u32) -> Result<Client, BoxError> {
    let token = Authorization::bearer(token).ok_or("no token")?;
    let builder = Client::builder(base)
        .http(Arc::new(Transport::builder().extra_ca_pem(ca_pem)?.build()?))
        .token_source(Arc::new(Constant(token)))
        .max_concurrency(under_way);
    Ok(builder.build()?)
}

impl Caller for Client {
    async fn call(&self, path: &'static str) -> Result<usize, BoxError> {
        Ok(self.get(path).send().await?.body().len())
    }
}

/// A token that lives.
#[derive(Debug)]
struct Constant(Authorization);

impl TokenSource for Constant {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}
