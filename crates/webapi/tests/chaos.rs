//! What holds for every seed, whatever the network does.

mod support;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use unattended_core::{BoxFuture, Clock, HttpClient, ManualClock, ResponseBody, SeededEntropy};
use unattended_webapi::fault::{EVERYTHING, Fault, FaultyHttp, RetryAfter};
use unattended_webapi::{BatchRequest, Client, DeltaEvent, Pages, RetryPolicy};

use crate::support::{Api, BASE, Reply, Tokens, json, reply};

const SEEDS: u64 = 500;
const USERS: usize = 23;
/// As long as each fault that asks to wait asks to wait at least.
const WAIT: Duration = Duration::from_secs(7);

/// An API with users in pages of five, that makes objects and counts how often it did.
#[derive(Default)]
struct Made(Mutex<HashMap<String, u32>>);

impl Made {
    fn times(&self, key: &str) -> u32 {
        self.0.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

fn users(range: std::ops::Range<usize>) -> Vec<Value> {
    range
        .map(|number| json!({ "id": number.to_string(), "userPrincipalName": format!("u{number}") }))
        .collect()
}

fn api(made: &Arc<Made>) -> Api {
    let made = Arc::clone(made);
    Api::by(move |request| -> Reply {
        let path = request.uri().path();
        match path {
            "/v1.0/users" | "/v1.0/users/delta" => {
                let skip = request.uri().query().and_then(|it| it.split_once("skip=")?.1.parse().ok());
                let skip: usize = skip.unwrap_or(0);
                let end = (skip + 5).min(USERS);
                let mut page = json!({ "value": users(skip..end) });
                if end < USERS {
                    page["@odata.nextLink"] = json!(format!("https://graph.example{path}?skip={end}"));
                } else if path.ends_with("delta") {
                    page["@odata.deltaLink"] = json!(format!("https://graph.example{path}?skip={USERS}"));
                }
                json(&page)
            }
            "/v1.0/$batch" => {
                let batch: Value = serde_json::from_slice(request.body()).unwrap();
                let make = |item: &Value| {
                    *made.0.lock().unwrap().entry(item["id"].to_string()).or_default() += 1;
                    json!({"id": item["id"], "status": 201, "body": {}})
                };
                let responses: Vec<Value> = batch["requests"].as_array().unwrap().iter().map(make).collect();
                json(&json!({ "responses": responses }))
            }
            path => {
                *made.0.lock().unwrap().entry(path.to_owned()).or_default() += 1;
                reply(201, &[], "{}")
            }
        }
    })
}

/// Stands between the client and its network, and checks what must never happen.
#[derive(Clone)]
struct Watch {
    network: Arc<FaultyHttp>,
    clock: ManualClock,
    /// Until when the API has asked to be left alone, as a whole and by each request of a batch.
    closed: Arc<Mutex<(Duration, HashMap<String, Duration>)>>,
    sent: Arc<AtomicUsize>,
    /// Bodies that are being read.
    open: Arc<AtomicUsize>,
}

impl Watch {
    fn before(&self, request: &Request<Bytes>) {
        let now = self.clock.elapsed();
        let closed = self.closed.lock().unwrap();
        assert!(now >= closed.0, "{} was asked {:?} too early", request.uri(), closed.0 - now);
        assert_eq!(request.uri().host(), Some("graph.example"), "no other origin is ever asked");
        assert!(self.sent.fetch_add(1, Ordering::Relaxed) < 3_000, "there is an end");
        for id in ids(request.body(), "requests", |_| true) {
            assert!(closed.1.get(&id).is_none_or(|until| now >= *until), "{id} was sent too early");
        }
    }

    fn after(&self, answer: &Response<ResponseBody>) {
        let asks = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"];
        if asks.iter().any(|name| answer.headers().contains_key(*name)) {
            self.closed.lock().unwrap().0 = self.clock.elapsed() + WAIT;
        }
    }
}

/// The ids in a batch or in the answer to one.
fn ids(body: &Bytes, of: &str, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let all = body[of].as_array().into_iter().flatten().filter(|one| which(one));
    all.map(|one| one["id"].to_string()).collect()
}

impl HttpClient for Watch {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            self.before(&request);
            let is_batch = request.uri().path().ends_with("$batch");
            let answer = self.network.send(request).await?;
            self.after(&answer);
            let open = Open::new(&self.open);
            let (head, body) = answer.into_parts();
            let body = if is_batch && head.status.is_success() {
                let whole = body.collect(usize::MAX).await?;
                let until = self.clock.elapsed() + WAIT;
                let throttled = ids(&whole, "responses", |one| one["status"] == 429);
                self.closed.lock().unwrap().1.extend(throttled.into_iter().map(|id| (id, until)));
                ResponseBody::full(whole)
            } else {
                ResponseBody::new(body.inspect(move |_| _ = &open))
            };
            Ok(Response::from_parts(head, body))
        })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// A body that is being read: there is the page that is being dealt with, and the one ahead.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        assert!(open.fetch_add(1, Ordering::Relaxed) < 2, "bounded memory");
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Chaos {
    client: Client,
    watch: Watch,
    made: Arc<Made>,
    seed: u64,
}

impl Chaos {
    fn new(seed: u64, faults: &[Fault]) -> Self {
        Self::shaped(seed, faults, |network| network)
    }

    fn shaped(seed: u64, faults: &[Fault], shape: impl FnOnce(FaultyHttp) -> FaultyHttp) -> Self {
        let (made, clock) = (Arc::<Made>::default(), ManualClock::self_advancing_at(1_800_000_000));
        let rate = 0.05 + 0.4 * (seed % 10) as f64 / 10.0;
        let entropy = Arc::new(SeededEntropy::new(seed));
        let network =
            FaultyHttp::new(Arc::new(api(&made)), Arc::new(clock.clone()), entropy, rate).only(faults);
        let watch = Watch {
            network: Arc::new(shape(network)),
            clock: clock.clone(),
            closed: Arc::default(),
            sent: Arc::default(),
            open: Arc::default(),
        };
        let client = Client::builder(BASE)
            .http(Arc::new(watch.clone()))
            .token_source(Arc::new(Tokens::default()))
            .clock(Arc::new(clock))
            .entropy(Arc::new(SeededEntropy::new(seed + 1_000_000)))
            .retry(RetryPolicy::job())
            .build()
            .unwrap();
        Self { client, watch, made, seed }
    }

    fn met(&self, fault: impl Fn(&Fault) -> bool) -> bool {
        self.watch.network.met().iter().any(fault)
    }

    /// An hour is what one operation of a job may take, and there are few of them.
    fn assert_bounded(&self) {
        assert!(self.watch.clock.elapsed() < Duration::from_secs(100_000), "seed {}", self.seed);
        assert!(self.watch.open.load(Ordering::Relaxed) < 2, "seed {}", self.seed);
    }
}

/// The users that came, and why there are no more.
async fn drained(chaos: &Chaos, pages: &mut Pages) -> (Vec<usize>, Option<unattended_webapi::Error>) {
    let (mut items, mut errors) = (Vec::new(), 0);
    loop {
        match pages.next().await {
            Ok(Some(page)) => {
                let ids = page.parse::<Value>().unwrap();
                items.extend(ids.iter().map(|user| user["id"].as_str().unwrap().parse::<usize>().unwrap()));
            }
            Ok(None) => return (items, None),
            Err(error) if error.is_foreign_origin() || error.link_loop().is_some() => {
                return (items, Some(error));
            }
            // The place is kept: whoever asks again gets the same page.
            Err(error) => {
                errors += 1;
                assert!(errors < 60, "seed {}: {error}", chaos.seed);
            }
        }
        assert!(items.iter().copied().eq(0..items.len()), "seed {}: {items:?}", chaos.seed);
    }
}

// CH-1, CH-2, PG-4, W7, W11, W17
#[tokio::test]
async fn a_collection_is_read_whole_and_once_or_not_to_its_end() {
    let (mut whole, mut bent, mut repeated) = (0, 0, 0);
    for seed in 0..SEEDS {
        let chaos = Chaos::new(seed, &EVERYTHING);
        let mut pages = chaos.client.pages("/users").unique();
        let (items, error) = drained(&chaos, &mut pages).await;
        match error {
            None => {
                assert!(pages.end().is_some() && items.len() == USERS, "seed {seed}: {} items", items.len());
                assert!(pages.next().await.unwrap().is_none(), "an end is an end");
                whole += 1;
            }
            Some(_) => {
                assert!(
                    chaos.met(|fault| matches!(fault, Fault::LinkBack | Fault::ForeignLink)),
                    "seed {seed}"
                );
                assert!(pages.end().is_none() && items.len() < USERS, "seed {seed}");
                bent += 1;
            }
        }
        assert!(pages.repeated() == 0 || chaos.met(|fault| *fault == Fault::RepeatedPage), "seed {seed}");
        repeated += pages.repeated();
        chaos.assert_bounded();
    }
    assert!(whole > 300 && bent > 20 && repeated > 100, "{whole} {bent} {repeated}");
}

// CH-1, CH-2, RT-3, BT-3, W6
#[tokio::test]
async fn what_must_not_be_done_twice_is_done_once_or_said_to_be_in_doubt() {
    for seed in 0..SEEDS {
        let chaos = Chaos::new(seed, &EVERYTHING);
        for number in 0..10 {
            let path = format!("/objects/{number}");
            let outcome = chaos.client.post(&path).send().await;
            let times = chaos.made.times(&format!("/v1.0{path}"));
            match outcome {
                Ok(_) => assert_eq!(times, 1, "seed {seed}"),
                Err(error) if error.is_ambiguous() => assert!(times <= 1, "seed {seed}: {error}"),
                Err(error) => assert_eq!(times, 0, "seed {seed}: {error}"),
            }
        }
        let requests = (0..45).map(|id| {
            let request = BatchRequest::new(id.to_string(), Method::POST, "/objects");
            if id % 5 == 1 { request.depends_on([(id - 1).to_string()]) } else { request }
        });
        for outcome in chaos.client.batch(requests.collect()).await.unwrap() {
            let times = chaos.made.times(&json!(outcome.id).to_string());
            match outcome.result {
                Ok(_) => assert_eq!(times, 1, "seed {seed}"),
                Err(error) if error.is_ambiguous() => assert!(times <= 1, "seed {seed}: {error}"),
                Err(error) => assert_eq!(times, 0, "seed {seed}: {error}"),
            }
        }
        chaos.assert_bounded();
    }
}

// CH-1, CH-2, DL-1, DL-2
#[tokio::test]
async fn changes_are_followed_to_the_end_whatever_is_lost_on_the_way() {
    let mut resyncs = 0;
    for seed in 0..SEEDS {
        let chaos = Chaos::new(seed, &EVERYTHING);
        let (mut saved, mut kept, mut marked) = (None, BTreeSet::new(), None::<BTreeSet<String>>);
        'rounds: for attempt in 0.. {
            assert!(attempt < 100, "seed {seed}: there is an end");
            let mut delta = chaos.client.delta("/users/delta", saved.clone());
            loop {
                match delta.next().await {
                    Ok(Some(DeltaEvent::ResyncStarted { .. })) => {
                        (marked, resyncs) = (Some(BTreeSet::new()), resyncs + 1);
                    }
                    Ok(Some(DeltaEvent::ResyncCompleted)) => kept = marked.take().unwrap(),
                    Ok(Some(DeltaEvent::Page(page))) => {
                        let ids: Vec<String> =
                            page.changes.into_iter().filter_map(|change| change.id).collect();
                        marked.iter_mut().for_each(|marked| marked.extend(ids.iter().cloned()));
                        kept.extend(ids);
                    }
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => break 'rounds,
                    // A link that leads astray cannot be followed; whoever begins anew gets everything.
                    Err(error) if error.is_foreign_origin() || error.link_loop().is_some() => {
                        (saved, marked) = (None, None);
                        continue 'rounds;
                    }
                    Err(_) => continue 'rounds,
                }
                saved = serde_json::from_str(&serde_json::to_string(delta.state()).unwrap()).unwrap();
            }
        }
        let expected: BTreeSet<String> = (0..USERS).map(|number| number.to_string()).collect();
        assert_eq!(kept, expected, "seed {seed}");
        chaos.assert_bounded();
    }
    assert!(resyncs > 20, "{resyncs}");
}

// CH-1, PG-6, W8
#[tokio::test]
async fn a_reading_longer_than_the_life_of_a_token_passes() {
    let slow = [Fault::SlowBody(Duration::from_secs(1))];
    let mut passed = Duration::ZERO;
    for seed in 0..20 {
        let chaos = Chaos::shaped(seed, &slow, |network| network.token_life(Duration::from_secs(2)));
        for _ in 0..4 {
            let mut pages = chaos.client.pages("/users").unique();
            let (items, error) = drained(&chaos, &mut pages).await;
            assert!(error.is_none() && items.len() == USERS && pages.end().is_some(), "seed {seed}");
        }
        passed += chaos.watch.clock.elapsed();
    }
    assert!(passed > Duration::from_secs(60), "{passed:?}: tokens have to end meanwhile");
}

// CH-1, W2, W3, W5, W14
#[tokio::test]
async fn every_form_of_retry_after_is_obeyed_and_never_shortened() {
    let second = Duration::from_secs(1);
    for (form, least) in [
        (RetryAfter::Seconds(300), 300 * second),
        (RetryAfter::Decimal(Duration::from_millis(249)), Duration::from_millis(249)),
        (RetryAfter::Date(125), 125 * second),
        (RetryAfter::Rfc850Date(125), 125 * second),
        (RetryAfter::AsctimeDate(125), 125 * second),
        (RetryAfter::Milliseconds(1_500), Duration::from_millis(1_500)),
        (RetryAfter::MicrosoftMilliseconds(200_000), 200 * second),
    ] {
        let chaos = Chaos::new(4, &[Fault::Status(429, Some(form))]);
        // Its own check of early returns knows but one length.
        let network = Arc::clone(&chaos.watch.network);
        let client = Client::builder(BASE)
            .http(network.clone())
            .token_source(Arc::new(Tokens::default()))
            .clock(Arc::new(chaos.watch.clock.clone()))
            .entropy(Arc::new(SeededEntropy::new(5)))
            .retry(RetryPolicy::job())
            .build()
            .unwrap();
        for number in 0..20 {
            client.post(&format!("/objects/{number}")).send().await.unwrap();
        }
        let (met, slept) = (network.met().len() as u32, chaos.watch.clock.slept());
        assert!(met > 0 && slept.iter().sum::<Duration>() >= met * least, "{form:?}: {met} {slept:?}");
        assert!(slept.iter().all(|wait| *wait <= least + 2 * second), "{form:?}: {slept:?}");
    }
}
