//! Calls with tonic (gRPC): a channel whose requests carry tokens.

use std::error::Error;

use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tower_layer::Layer;
use unattended_identity::{Bearer, BearerLayer, ScopedToken};

mod support;

/// A client of the server at `origin`, such as `https://things.example.com`. The code that is generated for a service has
/// the same constructor: `ThingsClient::with_origin(service, origin)`.
pub(crate) fn client(
    tokens: ScopedToken,
    channel: Channel,
    origin: &str,
) -> Result<Grpc<Bearer<Channel>>, Box<dyn Error + Send + Sync>> {
    let service = BearerLayer::new(tokens, origin)?.layer(channel);
    Ok(Grpc::with_origin(service, origin.parse()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let origin = "https://things.example.com";
    let mut client = client(support::graph()?, Endpoint::from_static(origin).connect_lazy(), origin)?;
    client.ready().await
}
