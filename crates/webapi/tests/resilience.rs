//! What protects the API, and the caller, when the API is in trouble.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use unattended_core::{HttpError, HttpErrorKind, ManualClock, ResponseBody};
use unattended_webapi::{Error, RetryPolicy};

use crate::support::{Api, Bench, Tokens, bench, bench_with, broken, reply, status, throttled};

const SECOND: Duration = Duration::from_secs(1);

fn still(api: &Api) -> Bench {
    bench_with(api, Tokens::default(), ManualClock::at(1_800_000_000), |builder| builder)
}

async fn fail(bench: &Bench, times: usize) -> Error {
    let once = bench.client.with_retry(RetryPolicy::never());
    let mut latest = None;
    for _ in 0..times {
        latest = once.get("/x").send().await.err();
    }
    latest.unwrap()
}

// RT-7
#[tokio::test]
async fn an_outage_is_not_met_with_six_times_the_load() {
    let mut answered = 0;
    // Every second answer is a success, so that the circuit stays closed for a while.
    let api = Api::by(move |_| {
        answered += 1;
        if answered % 5 < 3 { status(200) } else { status(500) }
    });
    let bench = bench(&api);
    let mut spent = 0;
    for _ in 0..300 {
        if let Err(error) = bench.client.get("/x").send().await {
            assert!(error.is_retry_budget_spent() && error.is_transient(), "{error}");
            assert!(error.to_string().contains("not repeated"), "{error}");
            spent += 1;
        }
    }
    assert!(api.sent() <= 300 + 300 / 10 + 10 && spent > 0, "{} sent, {spent} spent", api.sent());
}

// RT-7
#[tokio::test]
async fn a_retry_that_the_api_asked_for_costs_nothing() {
    let mut turn = 0;
    let api = Api::by(move |_| {
        turn += 1;
        if turn % 2 == 0 { status(200) } else { throttled(429, "1") }
    });
    let bench = bench(&api);
    for _ in 0..100 {
        assert_eq!(bench.client.get("/x").send().await.unwrap().attempts(), 2);
    }
}

// RT-8
#[tokio::test]
async fn a_stream_is_sent_once_and_the_error_says_why() {
    let chunks = || stream::iter(["ab", "cd"]).map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
    for refusal in [status(503), throttled(429, "1"), broken(HttpErrorKind::Connect), status(401)] {
        let api = Api::answering([refusal]);
        let put = bench(&api).client.put("/file").stream(chunks(), Some(4), "text/plain");
        let error = put.send().await.unwrap_err();
        assert!(error.is_not_replayable() && error.attempts() == 1 && api.sent() == 1, "{error}");
        assert!(error.to_string().contains("can be read only once"), "{error}");
        assert_eq!(api.requests()[0].body(), "abcd");
    }
}

// RT-8
#[tokio::test]
async fn a_body_that_can_be_made_again_is_sent_again_whole() {
    let api = Api::answering([status(503), throttled(429, "1"), status(401)]);
    let made = Arc::new(AtomicUsize::new(0));
    let make = {
        let made = Arc::clone(&made);
        move || {
            made.fetch_add(1, Ordering::Relaxed);
            stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"file"))])
        }
    };
    let response = bench(&api).client.put("/file").stream_from(make, Some(4), "x/y").send().await.unwrap();
    assert_eq!((response.attempts(), made.load(Ordering::Relaxed)), (3, 4));
    assert!(api.requests().iter().all(|request| request.body() == "file"));
}

// RT-9
#[tokio::test]
async fn the_body_of_a_refusal_is_read_in_part_and_a_broken_one_does_not_hide_it() {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let mut refusals = 0;
    let api = Api::by(move |_| {
        refusals += 1;
        if refusals == 2 {
            let half = stream::iter([Err(HttpError::new(HttpErrorKind::Interrupted, "cut"))]);
            return Ok(Response::builder().status(404).body(ResponseBody::new(half)).unwrap());
        }
        let counted = Arc::clone(&counted);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1024, Ordering::Relaxed);
            Ok(Bytes::from(vec![b'x'; 1024]))
        });
        Ok(Response::builder().status(400).body(ResponseBody::new(endless)).unwrap())
    });
    let client = bench(&api).client;
    let error = client.get("/x").send().await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (400, 1));
    assert_eq!(read.load(Ordering::Relaxed), 64 << 10);
    assert!(client.get("/x").send().await.unwrap_err().is_not_found());
}

// CB-1
#[tokio::test]
async fn an_api_that_keeps_failing_is_left_alone_and_then_probed() {
    for fault in [|| status(500), || broken(HttpErrorKind::Interrupted), || throttled(503, "1")] {
        let is_well = Arc::new(AtomicBool::new(false));
        let well = Arc::clone(&is_well);
        let api = Api::by(move |_| if well.load(Ordering::Relaxed) { status(200) } else { fault() });
        let bench = still(&api);
        for _ in 0..10 {
            fail(&bench, 1).await;
            bench.clock.advance(2 * SECOND);
        }
        let refused = bench.client.get("/x").send().await.unwrap_err();
        assert!(refused.is_circuit_open() && refused.is_transient() && refused.attempts() == 0, "{refused}");
        assert!(refused.retry_at().is_some() && api.sent() == 10);

        bench.clock.advance(14 * SECOND);
        is_well.store(true, Ordering::Relaxed);
        bench.client.get("/x").send().await.unwrap();
        bench.client.get("/x").send().await.unwrap();
        assert_eq!(api.sent(), 12);
    }
}

// CB-1
#[tokio::test]
async fn refusals_and_throttling_do_not_open_the_circuit() {
    for code in [400, 401, 403, 404, 409, 429] {
        let bench = still(&Api::by(move |_| status(code)));
        let error = fail(&bench, 40).await;
        assert_eq!(error.status().unwrap().as_u16(), code);
    }
}

// CB-1
#[tokio::test]
async fn a_job_waits_for_the_circuit_and_a_call_does_not() {
    let mut answers = 0;
    let api = Api::by(move |_| {
        answers += 1;
        if answers <= 10 { status(500) } else { status(200) }
    });
    let bench = bench(&api);
    fail(&bench, 10).await;
    let error = bench.client.get("/x").send().await.unwrap_err();
    assert!(error.is_circuit_open() && bench.clock.slept().is_empty(), "{error}");
    bench.client.with_retry(RetryPolicy::job()).get("/x").send().await.unwrap();
    assert_eq!(bench.clock.slept(), [15 * SECOND]);
}

// CB-1
#[tokio::test]
async fn a_circuit_that_opens_between_two_attempts_ends_the_call_with_what_it_met() {
    let api = Api::by(|_| reply(500, &[("request-id", "r-1")], ""));
    let bench = bench(&api);
    fail(&bench, 8).await;
    let error = bench.client.get("/x").send().await.unwrap_err();
    assert!(error.is_circuit_open() && error.attempts() == 2, "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("500 Internal Server Error") && source.contains("r-1"), "{source}");
}

// TR-2, CB-1, RL-1, TO-1, W1
#[tokio::test]
async fn the_layers_stand_in_their_order() {
    // The breaker stands before the gate: with both closed, the breaker speaks.
    let api = Api::by(|_| throttled(503, "1"));
    let bench = still(&api);
    for _ in 0..10 {
        bench.clock.advance(2 * SECOND);
        fail(&bench, 1).await;
    }
    assert!(bench.client.get("/x").send().await.unwrap_err().is_circuit_open());

    // Retry stands before the gate, the gate before the token, the token before the network: a second attempt passes
    // all of them again, in this order.
    let api = Api::answering([throttled(429, "9"), status(200)]);
    let bench = still(&api);
    let client = bench.client.clone();
    let call = tokio::spawn(async move { client.get("/x").send().await });
    tokio::task::yield_now().await;
    assert_eq!((api.sent(), bench.tokens.asked()), (1, 1));
    bench.clock.advance(8 * SECOND);
    tokio::task::yield_now().await;
    assert_eq!((api.sent(), bench.tokens.asked()), (1, 1), "no token is asked for before the gate is passed");
    bench.clock.advance(3 * SECOND);
    call.await.unwrap().unwrap();
    assert_eq!((api.sent(), bench.tokens.asked()), (2, 2));
}
