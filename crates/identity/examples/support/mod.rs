//! What the examples have in common: an application with a certificate.
#![allow(dead_code, reason = "each example uses its own part")]

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use unattended_core::{ClientId, Scope, Secret, TenantId};
use unattended_identity::{Authority, ClientCertificate, Cloud, ConfidentialClient, ScopedToken};
use unattended_transport::Transport;

/// Tokens for Microsoft Graph, of the application that the arguments name.
pub(crate) fn graph() -> Result<ScopedToken, Box<dyn Error + Send + Sync>> {
    let [tenant, client_id, file] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "the arguments are TENANT CLIENT-ID FILE.pem")?;
    let certificate = ClientCertificate::from_pem(&Secret::new(std::fs::read(file)?))?;
    let authority = Authority::cloud(Cloud::Public, &TenantId::parse(&tenant)?);
    let client = ConfidentialClient::builder(authority, ClientId::parse(&client_id)?)
        .credential(certificate)
        .http(Arc::new(Transport::builder().build()?))
        .build()?;
    Ok(client.for_scope(Scope::default_of("https://graph.microsoft.com")?)?)
}

/// Writes an answer out.
pub(crate) fn show(answer: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(std::io::stdout().write_all(answer)?)
}
