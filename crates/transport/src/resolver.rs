//! Names and the addresses behind them, as a port.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::OnceCell;
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

/// The port as the connector of hyper wants it. Those who look for a host while somebody does get what that one finds:
/// the operating system's search has a thread for each, which a crowd of new connections would pay for in memory.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    resolver: Arc<dyn Resolver>,
    under_way: Arc<Mutex<HashMap<String, Weak<Search>>>>,
}

type Search = OnceCell<Result<Vec<IpAddr>, Arc<io::Error>>>;

impl Names {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, under_way: Arc::default() }
    }

    fn search(&self, host: &str) -> Arc<Search> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(search) =
            under_way.get(host).and_then(Weak::upgrade).filter(|search| !search.initialized())
        {
            return search;
        }
        under_way.retain(|_, search| search.strong_count() > 0);
        let search = Arc::default();
        under_way.insert(host.to_owned(), Arc::downgrade(&search));
        search
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolver, search) = (Arc::clone(&self.resolver), self.search(name.as_str()));
        Box::pin(async move {
            // If the one who searches goes away, another one of those who wait does.
            let find = async || resolver.resolve(name.as_str()).await.map_err(Arc::new);
            let found = search.get_or_init(find).await.as_ref();
            let addresses = found.map_err(|error| io::Error::new(error.kind(), Arc::clone(error)))?;
            let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

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

    /// Finds nothing before it is let.
    #[derive(Debug)]
    struct Slow {
        searches: AtomicUsize,
        let_go: Semaphore,
    }

    impl Resolver for Arc<Slow> {
        fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            self.searches.fetch_add(1, Relaxed);
            let (slow, is_known) = (Self::clone(self), host == "known.example");
            Box::pin(async move {
                slow.let_go.acquire().await.unwrap().forget();
                let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such host");
                if is_known { Ok(vec![Ipv4Addr::LOCALHOST.into()]) } else { Err(unknown()) }
            })
        }
    }

    fn look(names: &Names, host: &str) -> JoinHandle<io::Result<Vec<SocketAddr>>> {
        let search = names.clone().call(host.parse().unwrap());
        tokio::spawn(async { Ok(search.await?.collect()) })
    }

    #[tokio::test]
    async fn those_who_look_for_a_host_at_once_cause_one_search_and_the_next_one_another() {
        let slow = Arc::new(Slow { searches: AtomicUsize::new(0), let_go: Semaphore::new(0) });
        let names = Names::new(Arc::new(Arc::clone(&slow)));
        for (round, host) in [(1, "known.example"), (2, "known.example"), (3, "unknown.example")] {
            let mut crowd: Vec<_> = (0..64).map(|_| look(&names, host)).collect();
            tokio::task::yield_now().await;
            // Whoever began it may go away.
            crowd.remove(0).abort();
            slow.let_go.add_permits(1);
            for one in crowd {
                match one.await.unwrap() {
                    Ok(found) => assert_eq!(found, ["127.0.0.1:0".parse().unwrap()]),
                    Err(error) => assert_eq!((error.to_string(), round), ("no such host".to_owned(), 3)),
                }
            }
            assert_eq!(slow.searches.swap(0, Relaxed), 2, "one, and one for who went away");
        }
        assert_eq!(names.under_way.lock().unwrap().len(), 1, "nothing is kept of what is over");
    }
}
