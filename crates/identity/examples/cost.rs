//! Does one thing a number of times, for `valgrind` to count the instructions: `cost WORK TIMES`. What counts is what
//! is done in [`measured`]; the rest prepares it. Prints how many allocations the work took. `cargo xtask token-cost` runs it
//! and knows the limits.
//!
//! The network is not in it: the token server answers at once, from memory.

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::{Builder, Runtime};
use unattended_core::{BoxFuture, ClientId, HttpClient, HttpError, ResponseBody, Scope, Secret, TenantId};
use unattended_identity::{Authority, ClientSecret, Cloud, ConfidentialClient, Freshness, ScopedToken};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The size of a token of the platform.
const TOKEN_LENGTH: usize = 1_500;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A token server in memory.
#[derive(Debug)]
struct Server(Bytes);

impl HttpClient for Server {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let body = ResponseBody::full(self.0.clone());
        Box::pin(std::future::ready(Ok(http::Response::new(body))))
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, times] = &arguments[..] else { return Err("usage: cost WORK TIMES".into()) };
    let (times, graph) = (times.parse()?, graph()?);
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let allocations = match work.as_str() {
        "by-handle" => by_handle(&graph, times, &runtime)?,
        "by-id-of-10" => by_id(&graph, 10, times, &runtime)?,
        "by-id-of-10000" => by_id(&graph, 10_000, times, &runtime)?,
        "secret" => cold(&graph, times, &runtime)?,
        _ => return Err(format!("no such work: {work}").into()),
    };
    writeln!(std::io::stdout(), "{allocations}")?;
    Ok(())
}

fn by_handle(graph: &ScopedToken, times: usize, runtime: &Runtime) -> Outcome<usize> {
    runtime.block_on(graph.acquire(Freshness::Cached))?;
    measured(|| {
        (0..times).for_each(|_| drop(black_box(graph.cached())));
        Ok(())
    })
}

fn by_id(graph: &ScopedToken, tenants: usize, times: usize, runtime: &Runtime) -> Outcome<usize> {
    let ids = (0..tenants).map(tenant).collect::<Outcome<Vec<_>>>()?;
    runtime.block_on(fill(graph, &ids))?;
    measured(|| {
        let served = ids.iter().cycle().take(times).filter(|id| black_box(graph.cached_in(id)).is_some());
        if served.count() == times { Ok(()) } else { Err("a token was not served".into()) }
    })
}

/// A token for another tenant each time.
fn cold(graph: &ScopedToken, times: usize, runtime: &Runtime) -> Outcome<usize> {
    let ids = (0..=times).map(tenant).collect::<Outcome<Vec<_>>>()?;
    let (first, others) = ids.split_first().ok_or("nothing to do")?;
    // What is made once is made here.
    runtime.block_on(fill(graph, std::slice::from_ref(first)))?;
    measured(|| runtime.block_on(fill(graph, others)))
}

async fn fill(graph: &ScopedToken, ids: &[TenantId]) -> Outcome<()> {
    for id in ids {
        graph.for_tenant(id)?.acquire(Freshness::Cached).await?;
    }
    Ok(())
}

/// The allocations of the work; its instructions are counted from outside, by this function's name.
#[inline(never)]
fn measured(work: impl FnOnce() -> Outcome<()>) -> Outcome<usize> {
    let region = Region::new(ALLOCATOR);
    work()?;
    Ok(black_box(region.change().allocations))
}

fn graph() -> Outcome<ScopedToken> {
    let token = "t".repeat(TOKEN_LENGTH);
    let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
    let client = ConfidentialClient::builder(
        Authority::cloud(Cloud::Public, &tenant(1_000_000)?),
        ClientId::parse("22222222-2222-2222-2222-222222222222")?,
    )
    .credential(ClientSecret::new(Secret::from("secret"))?)
    .http(Arc::new(Server(body.into())))
    .build()?;
    Ok(client.for_scope(Scope::default_of("https://graph.microsoft.com")?)?)
}

fn tenant(n: usize) -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("00000000-0000-0000-0000-{:012}", n + 1))?)
}
