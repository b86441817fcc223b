//! What a token out of the memory costs. A binary of its own, because it counts every allocation of the process.

use std::alloc::System;
use std::sync::Arc;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use unattended_core::{
    BoxFuture, ClientId, HttpClient, HttpError, ResponseBody, Scope, Secret, SystemClock, TenantId,
};
use unattended_identity::{Authority, ClientSecret, Cloud, ConfidentialClient, Freshness, ScopedToken};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The size of a token of the platform.
const TOKEN_LENGTH: usize = 1_500;

#[derive(Debug)]
struct Server;

impl HttpClient for Server {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let token = "t".repeat(TOKEN_LENGTH);
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
        Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::full(body)))))
    }
}

fn tenant(n: usize) -> TenantId {
    TenantId::parse(&format!("00000000-0000-0000-0000-{:012}", n + 1)).unwrap()
}

fn graph() -> ScopedToken {
    ConfidentialClient::builder(
        Authority::cloud(Cloud::Public, &tenant(0)),
        ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap(),
    )
    .credential(ClientSecret::new(Secret::from("s")).unwrap())
    .http(Arc::new(Server))
    .clock(Arc::new(SystemClock))
    .build()
    .unwrap()
    .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
    .unwrap()
}

// One test, so that nobody else allocates while it counts.
#[tokio::test]
async fn a_cached_token_costs_no_allocation_and_a_tenant_less_than_330_bytes_beyond_its_token() {
    const TENANTS: usize = 10_000;
    let graph = graph();
    graph.acquire(Freshness::Cached).await.unwrap();
    let filling = Region::new(ALLOCATOR);
    for n in 1..=TENANTS {
        graph.for_tenant(&tenant(n)).unwrap().acquire(Freshness::Cached).await.unwrap();
    }
    let filled = filling.change();
    let kept = filled.bytes_allocated - filled.bytes_deallocated;
    let beyond_the_token = kept / TENANTS - (TOKEN_LENGTH + "Bearer ".len());
    assert!(beyond_the_token < 330, "{beyond_the_token} bytes per tenant beyond its token");

    let one = graph.for_tenant(&tenant(TENANTS / 2)).unwrap();
    let reading = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        one.cached().unwrap();
        one.acquire(Freshness::Cached).await.unwrap();
    }
    let read = reading.change();
    assert_eq!((read.allocations, read.reallocations, read.deallocations), (0, 0, 0));
    assert_eq!(graph.client().cache_statistics().tokens, TENANTS + 1);
}
