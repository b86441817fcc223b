//! Parts of an API that throttle for themselves, and the requests inside a batch, which are counted alone.

mod support;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use unattended_core::{BoxFuture, Clock, HttpClient, HttpError, ManualClock, ResponseBody, SeededEntropy};
use unattended_webapi::{BatchRequest, Client, ClientBuilder, Limits, RetryPolicy};

use crate::support::{
    Api, BASE, Bench, OneToken, Paused, Reply, Tokens, bench_with, json, reply, status, throttled,
};

fn graph(builder: ClientBuilder) -> ClientBuilder {
    builder.identity("tenant", "app").limits(Limits::microsoft_graph())
}

/// Waits are over at once.
fn quick(api: &Api) -> Bench {
    bench_with(api, Tokens::default(), ManualClock::self_advancing_at(1_800_000_000), graph)
}

fn inner(request: &Request<Bytes>) -> Vec<Value> {
    let body = serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
    body["requests"].as_array().cloned().unwrap_or_default()
}

/// A batch endpoint that answers each request inside with `(status, headers)`.
fn each(mut answer: impl FnMut(&str) -> (u16, Value) + Send + 'static) -> Api {
    Api::by(move |request| answered(&inner(request), &mut answer))
}

fn answered(requests: &[Value], answer: &mut impl FnMut(&str) -> (u16, Value)) -> Reply {
    let answers: Vec<Value> = requests
        .iter()
        .map(|request| {
            let (status, headers) = answer(request["url"].as_str().unwrap());
            json!({ "id": request["id"], "status": status, "headers": headers, "body": {} })
        })
        .collect();
    json(&json!({ "responses": answers }))
}

fn gets<'a>(urls: impl IntoIterator<Item = &'a str>) -> Vec<BatchRequest> {
    let numbered = urls.into_iter().enumerate();
    numbered.map(|(number, url)| BatchRequest::new(number.to_string(), Method::GET, url)).collect()
}

fn sizes(api: &Api) -> Vec<usize> {
    api.requests().iter().map(|request| inner(request).len()).collect()
}

// BT-6
#[tokio::test]
async fn a_batch_holds_four_requests_of_one_mailbox() {
    let api = each(|_| (200, json!({})));
    let one = vec!["/users/a@x.example/messages/1"; 10];
    quick(&api).client.batch(gets(one)).await.unwrap();
    let five: Vec<String> = (0..20).map(|at| format!("/users/{}@x.example/events", at % 5)).collect();
    quick(&api).client.batch(gets(five.iter().map(String::as_str))).await.unwrap();
    quick(&api).client.batch(gets(vec!["/users/a@x.example"; 20])).await.unwrap();
    assert_eq!(sizes(&api), [4, 4, 2, 20, 20]);
}

// BT-6, RL-2
#[tokio::test]
async fn a_mailbox_that_refuses_gets_fewer_requests_in_a_batch() {
    let mut refused = false;
    let api = each(move |_| {
        if std::mem::replace(&mut refused, true) {
            (200, json!({}))
        } else {
            (429, json!({"Retry-After": "1"}))
        }
    });
    let outcomes = quick(&api).client.batch(gets(vec!["/users/a@x.example/messages"; 8])).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    assert!(sizes(&api)[0] == 4 && sizes(&api)[1] <= 3, "{:?}", sizes(&api));
}

/// Counts what is under way for each mailbox, inside batches and alone; answers after 100 ms.
struct Mailboxes {
    clock: Paused,
    under_way: Mutex<HashMap<String, u32>>,
    most: Mutex<u32>,
}

impl Mailboxes {
    fn change(&self, urls: &[String], by: i32) {
        let mut under_way = self.under_way.lock().unwrap();
        for url in urls {
            let mailbox = url.split('/').find(|segment| segment.contains('@')).unwrap().to_owned();
            let count = under_way.entry(mailbox).or_default();
            *count = count.checked_add_signed(by).unwrap();
            let mut most = self.most.lock().unwrap();
            *most = (*most).max(*count);
        }
    }
}

impl HttpClient for Mailboxes {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let inner = inner(&request);
            let urls: Vec<String> = match request.uri().path().ends_with("$batch") {
                true => inner.iter().map(|it| it["url"].as_str().unwrap().to_owned()).collect(),
                false => vec![request.uri().path().to_owned()],
            };
            self.change(&urls, 1);
            self.clock.sleep(Duration::from_millis(100)).await;
            self.change(&urls, -1);
            answered(&inner, &mut |_| (200, json!({})))
        })
    }
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailboxes")
    }
}

// BT-6
#[tokio::test(start_paused = true)]
async fn never_more_than_four_are_under_way_for_a_mailbox_in_batches_and_alone() {
    let clock = Paused::now();
    let mailboxes = Arc::new(Mailboxes { clock, under_way: Mutex::default(), most: Mutex::default() });
    let client = graph(Client::builder(BASE))
        .http(mailboxes.clone())
        .token_source(Arc::new(OneToken))
        .clock(Arc::new(clock))
        .entropy(Arc::new(SeededEntropy::new(3)))
        .build()
        .unwrap();
    let urls: Vec<String> =
        (0..200).map(|at| format!("/users/{}@x.example/messages/{at}", ["a", "b", "c"][at % 3])).collect();
    let batches = client.with_batches_under_way(8);
    let singles = futures_util::future::join_all(urls.iter().map(|url| client.get(url).send()));
    let (outcomes, singles) = tokio::join!(batches.batch(gets(urls.iter().map(String::as_str))), singles);
    assert!(outcomes.unwrap().iter().all(|outcome| outcome.result.is_ok()));
    assert!(singles.iter().all(Result::is_ok));
    assert_eq!(*mailboxes.most.lock().unwrap(), 4);
    // 400 requests of 100 ms each, three mailboxes, four at a time each.
    assert!(clock.elapsed() < Duration::from_secs(8), "{:?}", clock.elapsed());
}

// RL-4, BT-6
#[tokio::test]
async fn a_small_quota_is_kept_to_inside_a_batch() {
    let api = each(|_| (200, json!({})));
    let bench = quick(&api);
    bench.client.batch(gets(vec!["/auditLogs/signIns?$top=1"; 12])).await.unwrap();
    assert_eq!(sizes(&api), [5, 5, 2]);
    assert_eq!(bench.clock.slept(), [Duration::from_secs(10), Duration::from_secs(10)]);
    // Those that go alone afterwards take their turn behind them.
    for _ in 0..4 {
        bench.client.get("/auditLogs/signIns").send().await.unwrap();
    }
    assert_eq!(bench.clock.slept().len(), 3);
}

// RL-1
#[tokio::test]
async fn a_part_that_throttles_for_itself_holds_nobody_else_back() {
    let api = Api::by(|request| match request.uri().path().contains("/teams") {
        true => throttled(429, "9"),
        false => status(200),
    });
    let bench = quick(&api);
    let once = bench.client.with_retry(RetryPolicy::never());
    assert!(once.get("/teams/1").send().await.unwrap_err().is_throttled());
    once.get("/users/1").send().await.unwrap();
    assert!(bench.clock.slept().is_empty());
    once.get("/teams/2").send().await.unwrap_err();
    assert!(bench.clock.slept()[0] >= Duration::from_secs(9), "{:?}", bench.clock.slept());
}

// RL-1
#[tokio::test]
async fn a_refusal_of_writes_lets_reads_pass() {
    let scope = ("x-ms-throttle-scope", "Tenant_Application/Write/app/tenant");
    let api = Api::by(move |request| match *request.method() {
        Method::GET => status(200),
        _ => reply(429, &[("retry-after", "9"), scope], ""),
    });
    let bench = quick(&api);
    let once = bench.client.with_retry(RetryPolicy::never());
    once.post("/users").json(&json!({})).send().await.unwrap_err();
    once.get("/users/1").send().await.unwrap();
    assert!(bench.clock.slept().is_empty());
    once.post("/users").json(&json!({})).send().await.unwrap_err();
    assert!(bench.clock.slept()[0] >= Duration::from_secs(9));
}

// RL-1, BT-3
#[tokio::test]
async fn a_refusal_inside_a_batch_closes_the_gate_for_everybody() {
    let api = Api::by(|request| match request.uri().path().ends_with("$batch") {
        true => answered(&inner(request), &mut |_| (429, json!({"Retry-After": "9"}))),
        false => status(200),
    });
    let bench = quick(&api);
    let once = bench.client.with_retry(RetryPolicy::never());
    assert!(once.batch(gets(["/users/1"])).await.unwrap()[0].result.is_err());
    assert!(bench.clock.slept().is_empty());
    bench.client.get("/users/2").send().await.unwrap();
    assert!(bench.clock.slept()[0] >= Duration::from_secs(9), "{:?}", bench.clock.slept());
}

// AQ-1
#[tokio::test]
async fn an_advanced_query_inside_a_batch_gets_what_it_needs_or_an_explanation() {
    let api = each(|_| (200, json!({})));
    let filter = "/users?$filter=endsWith(mail,'x')&$select=id";
    let client = quick(&api).client;
    client.with_advanced_queries().batch(gets([filter, "/users/1"])).await.unwrap();
    let sent = inner(&api.requests()[0]);
    assert_eq!(sent[0]["headers"]["consistencylevel"], "eventual");
    assert_eq!(sent[0]["url"], format!("{filter}&$count=true"));
    assert!(sent[1].get("headers").is_none(), "{}", sent[1]);

    let refusal = json!({"error": {"code": "Request_UnsupportedQuery", "message": "Unsupported Query."}});
    let api = Api::by(move |request| {
        let id = &inner(request)[0]["id"];
        json(&json!({"responses": [{"id": id, "status": 400, "body": refusal}]}))
    });
    let outcomes = quick(&api).client.batch(gets([filter])).await.unwrap();
    let remedy = outcomes[0].result.as_ref().unwrap_err().remedy().unwrap();
    assert!(remedy.contains("`endsWith`") && remedy.contains("$count=true"), "{remedy}");
}
