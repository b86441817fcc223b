//! Calls with reqwest: `cargo run -p unattended-identity --example with_reqwest -- TENANT CLIENT-ID FILE.pem`

use std::error::Error;

use reqwest::header::AUTHORIZATION;
use unattended_identity::{Freshness, ScopedToken};

mod support;

/// The users of the tenant, as the directory writes them.
pub(crate) async fn users(
    graph: &ScopedToken,
    client: &reqwest::Client,
    base_url: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let token = graph.acquire(Freshness::Cached).await?;
    let request = client.get(format!("{base_url}/v1.0/users"));
    let response = request.header(AUTHORIZATION, token.authorization().header_value()).send().await?;
    Ok(response.error_for_status()?.text().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    // This build of reqwest has TLS and leaves the choice of its cryptography to the program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let graph = support::graph()?;
    // A token that leaves by a redirect is gone.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let users = users(&graph, &client, "https://graph.microsoft.com").await?;
    support::show(users.as_bytes())
}
