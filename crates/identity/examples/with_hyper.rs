//! Calls with hyper, or with any other client that is a tower service:
//! `cargo run -p unattended-identity --features tower --example with_hyper -- TENANT CLIENT-ID FILE.pem`

use std::error::Error;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use tower_layer::Layer;
use tower_service::Service;
use unattended_identity::{BearerLayer, ScopedToken};

mod support;

/// The users of the tenant, as the directory writes them.
pub(crate) async fn users<C: Connect + Clone + Send + Sync + 'static>(
    graph: ScopedToken,
    client: Client<C, Empty<Bytes>>,
) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut client = BearerLayer::new(graph, "https://graph.microsoft.com")?.layer(client);
    let request = Request::get("https://graph.microsoft.com/v1.0/users").body(Empty::new())?;
    let response = client.call(request).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    use rustls_platform_verifier::ConfigVerifierExt as _;

    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(rustls::ClientConfig::with_platform_verifier()?)
        .https_only()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    support::show(&users(support::graph()?, client).await?)
}
