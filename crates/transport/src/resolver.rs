//! Names and the addresses behind them, as a port.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;
use unattended_core::BoxFuture;

/// Finds the addresses of a host.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host`, the ones to be tried first in front.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// What the operating system says (`getaddrinfo`). Nothing is remembered here: how long an answer holds is the operating
/// system's to know. Names below `localhost` are this machine by definition (RFC 6761 section 6.3), which not every C
/// library knows, and which nobody should ask a server about.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        if is_below_localhost(host) {
            let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        let host = host.to_owned();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

fn is_below_localhost(host: &str) -> bool {
    host.trim_end_matches('.').to_ascii_lowercase().ends_with(".localhost")
}

/// The port as the connector of hyper wants it.
#[derive(Clone, Debug)]
pub(crate) struct Names(pub(crate) Arc<dyn Resolver>);

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.0.resolve(name.as_str());
        Box::pin(async move {
            let addresses: Vec<_> =
                addresses.await?.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_below_localhost_are_this_machine() {
        for name in ["mtlsauth.localhost", "a.vault.LOCALHOST."] {
            let addresses = SystemResolver.resolve(name).await.unwrap();
            assert!(addresses.iter().all(IpAddr::is_loopback), "{name}");
        }
        for name in ["localhost.example.com", "notlocalhost"] {
            assert!(!is_below_localhost(name), "{name}");
        }
    }
}
