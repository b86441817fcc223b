//! A client over a token server of its own, and what every store must do for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use unattended_core::{
    BoxFuture, ClientId, HttpClient, HttpError, ManualClock, ResponseBody, Scope, Secret, TenantId,
};
use unattended_identity::{
    Authority, ClientSecret, Cloud, ConfidentialClient, Freshness, ScopedToken, SealingKeys, StoreError,
    StoreKey, TokenOrigin, TokenStore,
};

/// Issues `token-canary-1`, `token-canary-2`, ..., each for an hour.
#[derive(Debug, Default)]
pub(crate) struct Server(AtomicUsize);

impl HttpClient for Server {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let n = self.0.fetch_add(1, Relaxed) + 1;
        let body =
            format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"token-canary-{n}"}}"#);
        Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::full(body)))))
    }
}

/// Several processes, one server, one clock.
pub(crate) struct House {
    pub(crate) server: Arc<Server>,
    pub(crate) clock: ManualClock,
    saves: Arc<AtomicUsize>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { server: Arc::default(), clock: ManualClock::at(1_800_000_000), saves: Arc::default() }
    }

    pub(crate) fn requests(&self) -> usize {
        self.server.0.load(Relaxed)
    }

    pub(crate) fn process(&self, tenant: &str, store: impl TokenStore) -> ScopedToken {
        ConfidentialClient::builder(
            Authority::cloud(Cloud::Public, &TenantId::parse(tenant).unwrap()),
            ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap(),
        )
        .credential(ClientSecret::new(Secret::from("s")).unwrap())
        .http(Arc::clone(&self.server) as Arc<dyn HttpClient>)
        .clock(Arc::new(self.clock.clone()))
        .store(Counted(store, Arc::clone(&self.saves)), SealingKeys::new(&[Secret::new([9; 32])]).unwrap())
        .build()
        .unwrap()
        .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
        .unwrap()
    }

    /// A token of a new process, and where it came from.
    pub(crate) async fn token(&self, tenant: &str, store: impl TokenStore) -> (String, TokenOrigin) {
        let token = self.process(tenant, store).acquire(Freshness::Cached).await.unwrap();
        (token.expose().to_owned(), token.origin())
    }

    /// Waits for something that the clock must not keep for longer than a second.
    #[cfg(feature = "redis")]
    pub(crate) async fn within_a_second<T>(&self, work: impl Future<Output = T>) -> T {
        let (mut work, mut left) = (std::pin::pin!(work), 1_000);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                () = tokio::task::yield_now(), if left > 0 => {
                    self.clock.advance(Duration::from_millis(1));
                    left -= 1;
                }
            }
        }
    }

    /// Lets a new process get a token of the server, and waits until it is in the store: saving is nobody's wait.
    pub(crate) async fn fill(&self, tenant: &str, store: impl TokenStore) -> String {
        let before = self.saves.load(Relaxed);
        let (token, origin) = self.token(tenant, store).await;
        assert_eq!(origin, TokenOrigin::Server);
        while self.saves.load(Relaxed) == before {
            tokio::task::yield_now().await;
        }
        token
    }
}

/// Counts what has been saved.
#[derive(Debug)]
struct Counted<S>(S, Arc<AtomicUsize>);

impl<S: TokenStore> TokenStore for Counted<S> {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.load(key)
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let saved = self.0.save(key, sealed, expires_at).await;
            self.1.fetch_add(1, Relaxed);
            saved
        })
    }
}

/// What every store promises. `store` opens it anew each time, as another process would.
pub(crate) async fn keeps_its_promises<S: TokenStore>(house: &House, store: impl Fn() -> S) {
    // The first one asks the server, the others find it.
    let shared = house.fill("contoso.example", store()).await;
    let before = house.requests();
    for _ in 0..2 {
        assert_eq!(house.token("contoso.example", store()).await, (shared.clone(), TokenOrigin::Store));
    }
    assert_eq!(house.requests(), before);

    // Another tenant does not.
    house.fill("fabrikam.example", store()).await;
    assert_eq!(house.token("contoso.example", store()).await.0, shared);

    // What has expired is of no use, and is replaced.
    house.clock.advance(Duration::from_secs(3_601));
    let renewed = house.fill("contoso.example", store()).await;
    assert_eq!(house.token("contoso.example", store()).await, (renewed, TokenOrigin::Store));
}
