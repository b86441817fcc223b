//! One client, one workload: `workload WORKLOAD CLIENT SETTINGS.json`, started by `run.py`, which knows what the settings
//! are. Prints one JSON object.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use unattended_bench_webapi::floor::Floor;
use unattended_bench_webapi::measure::{Stopwatch, written};
use unattended_bench_webapi::users::{Named, User};
use unattended_bench_webapi::{BoxError, Caller, calls, ours};
use unattended_core::{ClientId, HttpClient, Scope, Secret, TenantId};
use unattended_identity::{Authority, ClientSecret, ConfidentialClient};
use unattended_transport::Transport;
use unattended_webapi::{Client, Traffic};

/// Where the server is, and how much is asked of it.
#[derive(Deserialize)]
struct Settings {
    base: String,
    ca_file: String,
    token: String,
    /// How long the answer to a small call is.
    length: usize,
    calls: usize,
    under_way: usize,
    /// How many threads the runtime has; the calling one alone if 1.
    threads: usize,
    authority: String,
    client_id: String,
    secret: String,
    scope: String,
    tenants: Vec<String>,
}

const SMALL: &str = "/users/1";
const PAGES: &str = "/pages/1.json";

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, client, settings] = arguments.as_slice() else {
        return Err("usage: workload WORKLOAD CLIENT SETTINGS.json".into());
    };
    let settings: Settings = serde_json::from_slice(&std::fs::read(settings)?)?;
    let runtime = match settings.threads {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        threads => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?
        }
    };
    // As a task, so that it runs on the threads that the runtime is measured with.
    let (workload, client) = (workload.clone(), client.clone());
    let result = runtime.block_on(async { tokio::spawn(run(workload, client, settings)).await? })?;
    println!("{result}");
    Ok(())
}

async fn run(workload: String, client: String, settings: Settings) -> Result<Value, BoxError> {
    let Settings { base, token, .. } = &settings;
    let ca = std::fs::read(&settings.ca_file)?;
    match client.as_str() {
        "floor" => {
            let floor = Floor::new(base, &ca, token)?;
            match workload.as_str() {
                "pages" => reading(&floor, &settings, || floor.items::<User>(PAGES)).await,
                "named" => reading(&floor, &settings, || floor.items::<Named>(PAGES)).await,
                _ => calling(&floor, &workload, &settings).await,
            }
        }
        "unattended" => {
            let client = ours::client(base, &ca, token, u32::try_from(settings.under_way)?)?;
            match workload.as_str() {
                "pages" => reading(&client, &settings, || items::<User>(&client)).await,
                "named" => reading(&client, &settings, || items::<Named>(&client)).await,
                "raw" => reading(&client, &settings, || raw_items(&client)).await,
                "growth" => growth(&client, &settings).await,
                "tenants" => tenants(&settings, &ca).await,
                _ => calling(&client, &workload, &settings).await,
            }
        }
        _ => Err(format!("no such client: {client}").into()),
    }
}

async fn calling(caller: &impl Caller, workload: &str, settings: &Settings) -> Result<Value, BoxError> {
    match workload {
        "small" => small(caller, settings).await,
        "latency" => latency(caller, settings).await,
        _ => Err(format!("no such workload: {workload}").into()),
    }
}

/// W4: small calls on connections that are kept.
async fn small(caller: &impl Caller, settings: &Settings) -> Result<Value, BoxError> {
    let &Settings { length, calls: count, under_way, .. } = settings;
    // As many as it takes until the gate lets so many pass.
    calls(caller, SMALL, length, under_way * under_way, under_way).await?;
    let watch = Stopwatch::start();
    calls(caller, SMALL, length, count, under_way).await?;
    let (wall, cpu) = watch.read();
    Ok(json!({ "cpu_us": cpu / count as f64 * 1e6, "rate": count as f64 / wall }))
}

/// T3: how long each of the small calls takes.
async fn latency(caller: &impl Caller, settings: &Settings) -> Result<Value, BoxError> {
    let &Settings { length, calls: count, under_way, .. } = settings;
    // The first alone, so that the others find its connection.
    caller.call(SMALL).await?;
    calls(caller, SMALL, length, under_way * under_way, under_way).await?;
    let took = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let watch = Stopwatch::start();
    calls(&Timed { caller: caller.clone(), took: Arc::clone(&took) }, SMALL, length, count, under_way)
        .await?;
    let (wall, cpu) = watch.read();
    let mut took = took.lock().map_err(|error| error.to_string())?;
    took.sort_unstable();
    let at = |share: f64| took[(took.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    let rate = took.len() as f64 / wall;
    Ok(
        json!({ "rate": rate, "cpu_us": cpu / took.len() as f64 * 1e6, "p50_ms": at(0.5), "p99_ms": at(0.99) }),
    )
}

/// Takes the time of every call.
#[derive(Clone)]
struct Timed<C> {
    caller: C,
    took: Arc<Mutex<Vec<Duration>>>,
}

impl<C: Caller> Caller for Timed<C> {
    async fn call(&self, path: &'static str) -> Result<usize, BoxError> {
        let began = Instant::now();
        let length = self.caller.call(path).await?;
        self.took.lock().map_err(|error| error.to_string())?.push(began.elapsed());
        Ok(length)
    }
}

/// W5, and how much memory it takes: the collection is read as often as there are to be calls.
async fn reading<R: Future<Output = Result<u64, BoxError>>>(
    caller: &impl Caller,
    settings: &Settings,
    read: impl Fn() -> R,
) -> Result<Value, BoxError> {
    // The first call of a process gathers entropy and makes the connection.
    caller.call(SMALL).await?;
    let watch = Stopwatch::start();
    let mut items = 0;
    for _ in 0..settings.calls {
        items += read().await?;
    }
    let (wall, cpu) = watch.read();
    Ok(json!({ "items": items, "cpu_us": cpu / items as f64 * 1e6, "wall_s": wall }))
}

async fn items<T: DeserializeOwned + Send + 'static>(client: &Client) -> Result<u64, BoxError> {
    let (mut items, mut count) = (client.items::<T>(PAGES), 0);
    while let Some(item) = items.next().await? {
        black_box(item);
        count += 1;
    }
    Ok(count)
}

async fn raw_items(client: &Client) -> Result<u64, BoxError> {
    let (mut pages, mut count) = (client.pages(PAGES), 0);
    while let Some(page) = pages.next().await? {
        count += black_box(page.items).len() as u64;
    }
    Ok(count)
}

/// What a million calls leave behind.
async fn growth(client: &Client, settings: &Settings) -> Result<Value, BoxError> {
    let &Settings { length, calls: count, under_way, .. } = settings;
    calls(client, SMALL, length, count / 10, under_way).await?;
    let before = written()?;
    calls(client, SMALL, length, count, under_way).await?;
    Ok(json!({ "grown_kb": written()? as i64 - before as i64 }))
}

/// T7: one call in each of many tenants at once, alone and then while the first tenant has very many under way.
async fn tenants(settings: &Settings, ca: &[u8]) -> Result<Value, BoxError> {
    let ids: Vec<TenantId> =
        settings.tenants.iter().map(|id| TenantId::parse(id)).collect::<Result<_, _>>()?;
    let http: Arc<dyn HttpClient> = Arc::new(Transport::builder().extra_ca_pem(ca)?.build()?);
    let authority = Authority::microsoft(&settings.authority, ids.first().ok_or("no tenant")?)?;
    let tokens = ConfidentialClient::builder(authority, ClientId::parse(&settings.client_id)?)
        .credential(ClientSecret::new(Secret::from(settings.secret.as_str()))?)
        .http(Arc::clone(&http))
        .build()?
        .for_scope(Scope::parse(&settings.scope)?)?;
    let traffic = Traffic::default();
    let clients = ids.iter().map(|id| {
        let client = Client::builder(&settings.base)
            .http(Arc::clone(&http))
            .token_source(Arc::new(tokens.for_tenant(id)?))
            .identity(&id.to_string(), &settings.client_id)
            .traffic(&traffic);
        Ok(client.build()?)
    });
    let clients: Vec<Client> = clients.collect::<Result<_, BoxError>>()?;
    let watch = Stopwatch::start();
    each_once(&clients, settings.length).await?;
    let (cold, _) = watch.read();
    let alone = each_once(&clients[1..], settings.length).await?;
    let (greedy, calls_of_one, length) = (clients[0].clone(), settings.calls, settings.length);
    let hog = tokio::spawn(async move { calls(&greedy, SMALL, length, calls_of_one, 1_000).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let beside = each_once(&clients[1..], settings.length).await?;
    let was_under_way = !hog.is_finished();
    hog.await??;
    Ok(json!({ "cold_s": cold, "alone_s": alone, "beside_s": beside, "was_under_way": was_under_way }))
}

/// The time until all of these have had an answer to one call.
async fn each_once(clients: &[Client], length: usize) -> Result<f64, BoxError> {
    let began = Instant::now();
    let tasks: Vec<_> =
        clients.iter().cloned().map(|client| tokio::spawn(async move { client.call(SMALL).await })).collect();
    for task in tasks {
        if task.await?? != length {
            return Err("another answer".into());
        }
    }
    Ok(began.elapsed().as_secs_f64())
}
