//! What a token out of the memory costs, in nanoseconds: `cargo run --release -p unattended-identity --example cached_hit`.
//!
//! With a number as argument it reads one token that many times and prints nothing, for `valgrind --tool=callgrind`:
//! the difference of two runs is the number of instructions of a hit.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use unattended_core::{
    BoxFuture, ClientId, Clock, HttpClient, HttpError, ResponseBody, Scope, Secret, SystemClock, TenantId,
};
use unattended_identity::{Authority, ClientSecret, Cloud, ConfidentialClient, Freshness, ScopedToken};

/// Answers at once with a token of the usual size.
#[derive(Debug)]
struct Server;

impl HttpClient for Server {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let token = "t".repeat(1_500);
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
        Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::full(body)))))
    }
}

fn tenant(n: u64) -> Result<TenantId, Box<dyn Error>> {
    Ok(TenantId::parse(&format!("00000000-0000-0000-0000-{:012}", n + 1))?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let graph = ConfidentialClient::builder(
        Authority::cloud(Cloud::Public, &tenant(0)?),
        ClientId::parse("22222222-2222-2222-2222-222222222222")?,
    )
    .credential(ClientSecret::new(Secret::from("secret"))?)
    .http(Arc::new(Server))
    .build()?
    .for_scope(Scope::default_of("https://graph.microsoft.com")?)?;
    graph.acquire(Freshness::Cached).await?;

    if let Some(times) = std::env::args().nth(1) {
        for _ in 0..times.parse()? {
            black_box(graph.cached());
        }
        return Ok(());
    }
    let mut out = std::io::stdout();
    for tenants in [1, 1_000, 10_000, 100_000_u64] {
        let ids = (0..tenants).map(tenant).collect::<Result<Vec<_>, _>>()?;
        let mut handles: Vec<ScopedToken> = Vec::new();
        for id in &ids {
            let handle = graph.for_tenant(id)?;
            handle.acquire(Freshness::Cached).await?;
            handles.push(handle);
        }
        let borrowed = each(&handles, |handle| drop(black_box(handle.cached())));
        let shared = each(&handles, |handle| drop(black_box(handle.cached().map(|token| token.to_token()))));
        let by_id =
            each(&ids, |id| drop(black_box(graph.for_tenant(id).map(|handle| handle.cached().is_some()))));
        writeln!(
            out,
            "{tenants:>7} tenants: {borrowed:5.1} ns by handle, {shared:5.1} ns to keep, {by_id:5.1} ns by id"
        )?;
    }
    Ok(())
}

/// The nanoseconds of one call, the best of five rounds over everyone in turn.
fn each<T>(all: &[T], mut call: impl FnMut(&T)) -> f64 {
    let calls = all.len().max(1_000_000);
    let mut round = || {
        let began = SystemClock.elapsed();
        all.iter().cycle().take(calls).for_each(&mut call);
        SystemClock.elapsed().saturating_sub(began)
    };
    let best: Duration = (0..5).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / calls as f64
}
