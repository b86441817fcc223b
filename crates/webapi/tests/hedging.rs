//! Copies of reads that are late, and reads that go together: both only where that was asked for.

mod support;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use unattended_core::{BoxFuture, Clock, HttpClient, HttpError, ResponseBody, SeededEntropy};
use unattended_webapi::{Client, ClientBuilder, RetryPolicy};

use crate::support::{Api, BASE, OneToken, Paused, bench, json, reply, status, throttled};

/// Answers after a time that a test sets, and the one after `stalls` was set after a minute less a second.
struct Slow {
    clock: Paused,
    millis: AtomicU64,
    stalls: AtomicBool,
    /// What the answers say of the quota that is used.
    used: Mutex<&'static str>,
    sent: Mutex<Vec<(Method, String)>>,
}

impl HttpClient for Slow {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let id = request.headers()["client-request-id"].to_str().unwrap().to_owned();
            self.sent.lock().unwrap().push((request.method().clone(), id));
            if request.uri().path().ends_with("/refused") {
                return throttled(429, "100");
            }
            let stalls = self.stalls.swap(false, Ordering::Relaxed);
            let millis = if stalls { 59_000 } else { self.millis.load(Ordering::Relaxed) };
            self.clock.sleep(Duration::from_millis(millis)).await;
            let used = *self.used.lock().unwrap();
            reply(200, &[("x-ms-throttle-limit-percentage", used)], "{}")
        })
    }
}

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slow")
    }
}

impl Slow {
    fn client(millis: u64, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> (Arc<Self>, Client) {
        let clock = Paused::now();
        let slow = Arc::new(Self {
            clock,
            millis: AtomicU64::new(millis),
            stalls: AtomicBool::new(false),
            used: Mutex::new("0.1"),
            sent: Mutex::default(),
        });
        let builder = Client::builder(BASE)
            .http(slow.clone())
            .token_source(Arc::new(OneToken))
            .clock(Arc::new(clock))
            .entropy(Arc::new(SeededEntropy::new(3)))
            .retry(RetryPolicy::never());
        (slow, more(builder).build().unwrap())
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// How long a call takes whose answer does not come, and how many requests that was.
    async fn stalled(&self, client: &Client, method: Method) -> (u64, usize) {
        let (before, began) = (self.sent(), self.clock.elapsed());
        self.stalls.store(true, Ordering::Relaxed);
        client.request(method, "/x").send().await.unwrap();
        ((self.clock.elapsed() - began).as_secs(), self.sent() - before)
    }
}

async fn reads(client: &Client, times: usize) {
    for _ in 0..times {
        client.get("/x").send().await.unwrap();
    }
}

// HG-1
#[tokio::test(start_paused = true)]
async fn a_late_read_has_one_copy_and_the_answer_that_comes_first_counts() {
    let (slow, client) = Slow::client(1_500, |it| it);
    let client = client.with_hedged_reads();
    reads(&client, 60).await;
    assert_eq!(slow.sent(), 60, "nothing is late");
    // A second and a half until it is late, and as long for the copy.
    assert_eq!(slow.stalled(&client, Method::GET).await, (3, 2));
    let sent = slow.sent.lock().unwrap();
    assert_ne!(sent[60].1, sent[61].1, "each has an id of its own");
}

// HG-1
#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_unless_it_was_asked_for_is_safe_slow_and_there_is_quota() {
    let (slow, plain) = Slow::client(1_500, |it| it);
    reads(&plain, 60).await;
    assert_eq!(slow.stalled(&plain, Method::GET).await, (59, 1), "it is off by default");

    let client = plain.with_hedged_reads();
    reads(&client, 60).await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(slow.stalled(&client, method.clone()).await, (59, 1), "{method}");
    }
    *slow.used.lock().unwrap() = "0.5";
    reads(&client, 1).await;
    assert_eq!(slow.stalled(&client, Method::GET).await, (59, 1), "half of the quota is used");
    *slow.used.lock().unwrap() = "0.4";
    reads(&client, 1).await;
    assert_eq!(slow.stalled(&client, Method::GET).await.1, 2);
    assert_eq!(slow.stalled(&client, Method::GET).await, (59, 1), "one copy for fifty requests");

    let (slow, client) = Slow::client(900, |it| it);
    let client = client.with_hedged_reads();
    reads(&client, 60).await;
    assert_eq!(slow.stalled(&client, Method::GET).await, (59, 1), "the API is fast");

    let (slow, client) = Slow::client(1_500, |it| it.max_concurrency(1));
    let client = client.with_hedged_reads();
    reads(&client, 60).await;
    assert_eq!(slow.stalled(&client, Method::GET).await, (59, 1), "there is no place at the gate");
}

// HG-1, RL-1
#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_while_the_gate_is_closed() {
    let (slow, client) = Slow::client(1_500, |it| it);
    let client = client.with_hedged_reads();
    reads(&client, 60).await;
    let began = slow.clock.elapsed();
    slow.stalls.store(true, Ordering::Relaxed);
    let late = tokio::spawn({
        let client = client.clone();
        async move { client.get("/x").send().await }
    });
    tokio::task::yield_now().await;
    assert!(client.get("/refused").send().await.unwrap_err().is_throttled());
    late.await.unwrap().unwrap();
    assert_eq!(((slow.clock.elapsed() - began).as_secs(), slow.sent()), (59, 62));
}

/// A batch endpoint, and what is there.
fn together() -> Api {
    Api::by(|request| {
        if !request.uri().path().ends_with("$batch") {
            return json(&json!({ "alone": request.uri().path() }));
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let answer = |it: &Value| match it["url"].as_str().unwrap() {
            "/missing" => json!({"id": it["id"], "status": 404, "body": {"error": {"code": "NotFound"}}}),
            "/text" => {
                let headers = json!({"content-type": "text/plain"});
                json!({"id": it["id"], "status": 200, "headers": headers, "body": "dGV4dA=="})
            }
            url => json!({"id": it["id"], "status": 200, "headers": it["headers"], "body": {"url": url}}),
        };
        let answers: Vec<Value> = body["requests"].as_array().unwrap().iter().map(answer).collect();
        json(&json!({ "responses": answers }))
    })
}

// BT-7
#[tokio::test]
async fn reads_of_the_same_moment_share_a_batch_where_that_was_asked_for() {
    let api = together();
    let plain = bench(&api).client;
    let client = plain.with_coalesced_reads();
    let paths = ["/users/1", "/users/2?$select=id", "/missing"];
    let answers = futures_util::future::join_all(paths.map(|path| client.get(path).send())).await;
    assert_eq!(api.sent(), 1);
    assert_eq!(answers[1].as_ref().unwrap().json::<Value>().unwrap()["url"], "/users/2?$select=id");
    let missing = answers[2].as_ref().unwrap_err();
    assert!(missing.is_not_found() && missing.code() == Some("NotFound"));

    // One that is alone goes alone, and later ones are another moment.
    assert_eq!(
        client.get("/users/3").send().await.unwrap().json::<Value>().unwrap()["alone"],
        "/v1.0/users/3"
    );
    futures_util::future::join_all(paths.map(|path| plain.get(path).send())).await;
    assert_eq!(api.sent(), 1 + 1 + 3, "it is off by default");
}

// BT-7
#[tokio::test]
async fn what_does_not_read_or_is_not_json_goes_alone() {
    let api = together();
    let client = bench(&api).client.with_coalesced_reads();
    let (write, photo, count, other, text, user) = tokio::join!(
        client.post("/users").json(&json!({})).send(),
        client.get("/users/1/photo/$value").send(),
        client.get("/users/$count").send(),
        client.get("https://graph.example/beta/users/1").send(),
        client.get("/text").send(),
        client.get("/users/1").header("consistencylevel", "eventual").send(),
    );
    for alone in [&write, &photo, &count, &other, &text] {
        assert!(alone.as_ref().unwrap().json::<Value>().unwrap()["alone"].is_string(), "{alone:?}");
    }
    let user = user.unwrap();
    assert_eq!((user.headers()["consistencylevel"].as_bytes(), user.attempts()), (b"eventual".as_slice(), 1));
    assert_eq!(api.sent(), 4 + 1 + 1);
}

// BT-7
#[tokio::test]
async fn an_api_without_batches_answers_each_alone() {
    let api =
        Api::by(|request| if request.uri().path().ends_with("$batch") { status(404) } else { status(200) });
    let client = bench(&api).client.with_coalesced_reads();
    let answers = futures_util::future::join_all((0..3).map(|_| client.get("/x").send())).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(api.sent(), 4);
}
