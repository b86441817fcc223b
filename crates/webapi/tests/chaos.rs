//! What holds for every seed, whatever the network does.

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use unattended_core::{ManualClock, SeededEntropy};
use unattended_webapi::fault::FaultyHttp;
use unattended_webapi::{BatchRequest, Client, RetryPolicy};

use crate::support::{Api, BASE, Reply, Tokens, json, reply};

const SEEDS: u64 = 500;
const USERS: usize = 23;

/// An API with users in pages of five, that makes objects and counts how often it did.
#[derive(Default)]
struct Made(Mutex<HashMap<String, u32>>);

fn api(made: &Arc<Made>) -> Api {
    let made = Arc::clone(made);
    Api::by(move |request| -> Reply {
        assert_eq!(request.uri().host(), Some("graph.example"), "no other origin is ever asked");
        match request.uri().path() {
            "/v1.0/users" => {
                let skip = request.uri().query().and_then(|it| it.strip_prefix("skip=")?.parse().ok());
                let skip: usize = skip.unwrap_or(0);
                let end = (skip + 5).min(USERS);
                let mut page = json!({ "value": (skip..end).collect::<Vec<_>>() });
                if end < USERS {
                    page["@odata.nextLink"] = json!(format!("{BASE}/users?skip={end}"));
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

fn client(seed: u64, made: &Arc<Made>, clock: &ManualClock) -> Client {
    let rate = 0.05 + 0.4 * (seed % 10) as f64 / 10.0;
    let network = FaultyHttp::new(Arc::new(api(made)), Arc::new(SeededEntropy::new(seed)), rate);
    Client::builder(BASE)
        .http(Arc::new(network))
        .token_source(Arc::new(Tokens::default()))
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(seed + 1_000_000)))
        .retry(RetryPolicy::job())
        .build()
        .unwrap()
}

// CH-2 (no item lost or repeated, one end), PG-4
#[tokio::test]
async fn a_collection_is_read_whole_and_once_or_not_to_its_end() {
    let mut complete = 0;
    for seed in 0..SEEDS {
        let clock = ManualClock::self_advancing_at(1_800_000_000);
        let client = client(seed, &Arc::default(), &clock);
        let (mut pages, mut items, mut errors) = (client.pages("/users"), Vec::new(), 0);
        loop {
            match pages.next().await {
                Ok(Some(page)) => items.extend(page.parse::<usize>().unwrap()),
                Ok(None) => break,
                // The place is kept: whoever asks again gets the same page.
                Err(_) if errors < 50 => errors += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
            assert!(items.iter().copied().eq(0..items.len()), "seed {seed}: {items:?}");
        }
        assert!(pages.end().is_some() && items.len() == USERS, "seed {seed}: {} items", items.len());
        complete += usize::from(errors == 0);
    }
    assert!(complete > 300, "{complete} of {SEEDS} seeds were read without a visible error");
}

// CH-2 (nothing is done twice unsaid), RT-3
#[tokio::test]
async fn what_must_not_be_done_twice_is_done_once_or_said_to_be_in_doubt() {
    for seed in 0..SEEDS {
        let clock = ManualClock::self_advancing_at(1_800_000_000);
        let made = Arc::new(Made::default());
        let client = client(seed, &made, &clock);
        for number in 0..10 {
            let path = format!("/objects/{number}");
            let outcome = client.post(&path).send().await;
            let times = made.0.lock().unwrap().get(&format!("/v1.0{path}")).copied().unwrap_or(0);
            match outcome {
                Ok(_) => assert_eq!(times, 1, "seed {seed}"),
                Err(error) if error.is_ambiguous() => assert!(times <= 1, "seed {seed}: {error}"),
                Err(error) => assert_eq!(times, 0, "seed {seed}: {error}"),
            }
        }
        let requests = (0..45).map(|id| BatchRequest::new(id.to_string(), Method::POST, "/objects"));
        for outcome in client.batch(requests.collect()).await.unwrap() {
            let key = json!(outcome.id).to_string();
            let times = made.0.lock().unwrap().get(&key).copied().unwrap_or(0);
            match outcome.result {
                Ok(_) => assert_eq!(times, 1, "seed {seed}"),
                Err(error) if error.is_ambiguous() => assert!(times <= 1, "seed {seed}: {error}"),
                Err(error) => assert_eq!(times, 0, "seed {seed}: {error}"),
            }
        }
    }
}
