//! Does one thing a number of times, for `valgrind` to count the instructions: `cost WORK TIMES AUTHORITY CA_FILE
//! CLIENT_FILE`. What counts is what is done in [`measured`]; the rest prepares it. Prints how many allocations the work
//! took. `cargo xtask token-cost` runs it, beside a token server, and knows the limits.
//!
//! Where a token comes from does not matter to what reading it from memory costs: then the server is in memory, too.

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::{Builder, Runtime};
use unattended_core::{BoxFuture, ClientId, HttpClient, HttpError, ResponseBody, Scope, Secret, TenantId};
use unattended_identity::{
    Authority, ClientCertificate, ClientSecret, ConfidentialClient, Freshness, ScopedToken,
};
use unattended_transport::Transport;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A token server in memory.
#[derive(Debug)]
struct Memory;

impl HttpClient for Memory {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let body = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
        Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::full(body)))))
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, times, authority, ca_file, client_file] = &arguments[..] else {
        return Err("usage: cost WORK TIMES AUTHORITY CA_FILE CLIENT_FILE".into());
    };
    let times = times.parse()?;
    let transport: Arc<dyn HttpClient> = match work.as_str() {
        "secret" | "certificate" => {
            Arc::new(Transport::builder().extra_ca_pem(&std::fs::read(ca_file)?)?.build()?)
        }
        _ => Arc::new(Memory),
    };
    let client = ConfidentialClient::builder(
        Authority::microsoft(authority, &tenant(1_000_000)?)?,
        ClientId::parse("22222222-2222-2222-2222-222222222222")?,
    );
    let client = match work.as_str() {
        "certificate" => {
            client.credential(ClientCertificate::from_pem(&Secret::new(std::fs::read(client_file)?))?)
        }
        _ => client.credential(ClientSecret::new(Secret::from("a-secret-of-the-usual-length-0123456789"))?),
    };
    let graph =
        client.http(transport).build()?.for_scope(Scope::default_of("https://graph.microsoft.com")?)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let allocations = match work.as_str() {
        "by-handle" => by_handle(&graph, times, &runtime)?,
        "by-id-of-10" => by_id(&graph, 10, times, &runtime)?,
        "by-id-of-10000" => by_id(&graph, 10_000, times, &runtime)?,
        "secret" | "certificate" => cold(&graph, times, &runtime)?,
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

fn tenant(n: usize) -> Outcome<TenantId> {
    Ok(TenantId::parse(&format!("00000000-0000-0000-0000-{:012}", n + 1))?)
}
