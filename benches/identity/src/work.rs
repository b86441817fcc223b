//! The workloads, the same for every client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::latencies::Latencies;
use crate::measure::{Stopwatch, resident, written};
use crate::{BoxError, Client, Settings};

/// Cached calls of one measurement.
const CALLS: usize = 1_000_000;
const CALLERS: usize = 1_000;

pub(crate) async fn run<C: Client>(workload: &str, settings: &Settings) -> Result<Value, BoxError> {
    let before = written()?;
    let (client, tenants) = (Arc::new(C::new(settings)?), settings.tenants);
    match workload {
        "first" => {
            client.token(0).await?;
            Ok(json!({ "resident_kb": resident()? }))
        }
        "fill" => fill(&client, tenants, settings.in_flight, before).await,
        "cached" => cached(&client, tenants).await,
        "stampede" => stampede(&client).await,
        "latency" => latency(&client).await,
        "growth" => growth(&client).await,
        "renewals" => renewals(&client).await,
        _ => Err(format!("no such workload: {workload}").into()),
    }
}

/// A token for each tenant but the first, which opens the connections. `before` is the memory that was written, in kB,
/// before there was this client.
async fn fill(
    client: &Arc<impl Client>,
    tenants: usize,
    in_flight: usize,
    before: u64,
) -> Result<Value, BoxError> {
    client.token(0).await?;
    let watch = Stopwatch::start();
    each(client, 1, tenants, in_flight).await?;
    let (wall, cpu) = watch.read();
    let tokens = (tenants - 1) as f64;
    Ok(json!({
        "cpu_us": cpu / tokens * 1e6,
        "wall_us": wall / tokens * 1e6,
        "resident_kb": resident()?,
        "grown_kb": written()?.saturating_sub(before),
    }))
}

/// Tokens that are in memory, the tenants in turn: by one task, and by 64.
async fn cached(client: &Arc<impl Client>, tenants: usize) -> Result<Value, BoxError> {
    each(client, 0, tenants, 64).await?;
    let (wall, cpu) = calls(client, tenants, 1).await?;
    let (wall_64, cpu_64) = calls(client, tenants, 64).await?;
    Ok(json!({ "wall_ns": wall, "cpu_ns": cpu, "wall_ns_64": wall_64, "cpu_ns_64": cpu_64 }))
}

/// Wall and CPU nanoseconds of a call.
async fn calls(client: &Arc<impl Client>, tenants: usize, tasks: usize) -> Result<(f64, f64), BoxError> {
    let watch = Stopwatch::start();
    let share = CALLS / tasks;
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let client = Arc::clone(client);
            tokio::spawn(async move {
                let mut tenant = task * 7_919 % tenants;
                for _ in 0..share {
                    client.token(tenant).await?;
                    tenant = if tenant + 1 == tenants { 0 } else { tenant + 1 };
                }
                Ok::<_, BoxError>(())
            })
        })
        .collect();
    let count = (tasks.len() * share) as f64;
    for task in tasks {
        task.await??;
    }
    let (wall, cpu) = watch.read();
    Ok((wall / count * 1e9, cpu / count * 1e9))
}

/// A thousand callers who want the same token, which nobody has.
async fn stampede(client: &Arc<impl Client>) -> Result<Value, BoxError> {
    let watch = Stopwatch::start();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = Arc::clone(client);
            tokio::spawn(async move { client.token(0).await.is_ok() })
        })
        .collect();
    let mut served = 0;
    for caller in callers {
        served += usize::from(caller.await?);
    }
    let (wall, _) = watch.read();
    Ok(json!({ "ms": wall * 1e3, "served": served }))
}

/// How long single calls take while the first tenant's token is due all the time, and another one's is not.
async fn latency(client: &Arc<impl Client>) -> Result<Value, BoxError> {
    const LASTING: Duration = Duration::from_secs(6);
    let mut result = json!({});
    for (name, tenant) in [("due", 0), ("fresh", 1)] {
        client.token(tenant).await?;
        let (mut calls, until) = (Latencies::default(), Instant::now() + LASTING);
        loop {
            for _ in 0..256 {
                let began = Instant::now();
                client.token(tenant).await?;
                calls.add(began.elapsed());
            }
            if Instant::now() > until {
                break;
            }
            tokio::task::yield_now().await;
        }
        result[name] = json!({
            "p50_ns": calls.share(0.5),
            "p999_ns": calls.share(0.999),
            "longest_ms": calls.longest.as_secs_f64() * 1e3,
            "waited": calls.waited,
        });
    }
    Ok(result)
}

/// What cached acquisitions of one token leave behind.
async fn growth(client: &Arc<impl Client>) -> Result<Value, BoxError> {
    client.token(0).await?;
    calls(client, 1, 64).await?;
    let before = resident()?;
    calls(client, 1, 64).await?;
    Ok(json!({ "grown_kb": resident()?.saturating_sub(before) }))
}

/// What ten thousand renewals of one token leave behind.
async fn renewals(client: &Arc<impl Client>) -> Result<Value, BoxError> {
    const RENEWALS: usize = 10_000;
    for _ in 0..RENEWALS / 10 {
        client.renew(0).await?;
    }
    let before = resident()?;
    for _ in 0..RENEWALS {
        client.renew(0).await?;
    }
    Ok(json!({ "grown_kb": resident()?.saturating_sub(before) }))
}

/// A token for each of these tenants, with so many under way at once.
async fn each(client: &Arc<impl Client>, from: usize, to: usize, in_flight: usize) -> Result<(), BoxError> {
    let next = Arc::new(AtomicUsize::new(from));
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (client, next) = (Arc::clone(client), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let tenant = next.fetch_add(1, Relaxed);
                    if tenant >= to {
                        return Ok::<_, BoxError>(());
                    }
                    client.token(tenant).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
