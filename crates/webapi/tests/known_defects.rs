//! Defects that other clients have had and that no rule of ours names: this one shall not get them.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{future, stream};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use unattended_core::{BoxFuture, Clock, HttpClient, ManualClock, ResponseBody, SeededEntropy};
use unattended_webapi::{BatchRequest, Client};

use crate::support::{Api, Paused, Reply, Tokens, bench, bench_with, json, reply, status};

/// A network that takes 50 ms and knows how many requests were under way at once.
#[derive(Debug)]
struct Busy {
    clock: Paused,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl HttpClient for Busy {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            assert!(!request.headers().contains_key("referer"));
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            self.clock.sleep(Duration::from_millis(50)).await;
            self.now.fetch_sub(1, Ordering::Relaxed);
            Ok(Response::new(ResponseBody::full("{}")))
        })
    }
}

// W9
#[tokio::test(start_paused = true)]
async fn the_limit_of_requests_at_once_is_one_for_all_of_them() {
    let clock = Paused::now();
    let network = Arc::new(Busy { clock, now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
    let client = Client::builder(support::BASE)
        .http(network.clone())
        .token_source(Arc::new(Tokens::default()))
        .clock(Arc::new(clock))
        .entropy(Arc::new(SeededEntropy::new(1)))
        .max_concurrency(4)
        .build()
        .unwrap();
    // Each from a builder and a clone of its own.
    let calls = (0..100).map(|number| {
        let client = client.clone();
        async move { client.get(&format!("/users/{number}")).send().await }
    });
    for outcome in future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(network.most.load(Ordering::Relaxed), 4);
}

// W12
#[tokio::test]
async fn the_requests_of_a_batch_are_relative_to_any_base() {
    let api = Api::by(|request| {
        let batch: Value = serde_json::from_slice(request.body()).unwrap();
        let answer = |one: &Value| json!({"id": one["id"], "status": 200, "headers": one["headers"], "body": one["url"]});
        json(
            &json!({"responses": batch["requests"].as_array().unwrap().iter().map(answer).collect::<Vec<_>>()}),
        )
    });
    for base in ["https://api.example/", "https://api.example/tenants/7/v2", "https://api.example/beta"] {
        let client = Client::builder(base)
            .http(Arc::new(api.clone()))
            .token_source(Arc::new(Tokens::default()))
            .clock(Arc::new(ManualClock::self_advancing_at(0)))
            .build()
            .unwrap();
        let request = BatchRequest::new("1", Method::GET, "/users/1?$select=id").header("prefer", "a, b");
        let outcome = client.batch(vec![request]).await.unwrap().remove(0);
        let response = outcome.result.unwrap();
        assert_eq!(response.body, json!("/users/1?$select=id"));
        let sent = api.requests().pop().unwrap();
        assert_eq!(sent.uri().to_string(), format!("{}/$batch", base.trim_end_matches('/')));
        let sent: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(sent["requests"][0]["headers"]["prefer"], "a, b");
    }
}

// W15
#[tokio::test]
async fn a_request_that_is_repeated_for_its_claims_has_its_whole_body_again() {
    let challenge =
        || reply(401, &[("www-authenticate", r#"Bearer error="insufficient_claims", claims="e30=""#)], "");
    let whole = || {
        stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"one ")), Ok(Bytes::from_static(b"two"))])
    };

    let api = Api::answering([challenge(), status(204)]);
    bench(&api).client.post("/x").body("one two", "text/plain").send().await.unwrap();
    assert!(api.sent() == 2 && api.requests().iter().all(|request| request.body() == "one two"));

    let api = Api::answering([challenge(), status(204)]);
    bench(&api).client.post("/x").stream_from(whole, None, "text/plain").send().await.unwrap();
    assert!(api.sent() == 2 && api.requests().iter().all(|request| request.body() == "one two"));

    // A stream that is read is not sent as if it were empty.
    let api = Api::answering([challenge(), status(204)]);
    let still = bench_with(&api, Tokens::default(), ManualClock::at(0), |builder| builder);
    let error = still.client.post("/x").stream(whole(), None, "text/plain").send().await.unwrap_err();
    assert!(error.is_not_replayable() && error.is_unauthorized() && api.sent() == 1, "{error}");
}
