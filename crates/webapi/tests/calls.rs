//! One call, whatever happens to it.

mod support;

use std::collections::HashSet;
use std::future;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use unattended_core::{
    BoxFuture, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody, TokenSourceError,
};
use unattended_webapi::{BatchRequest, Client, RetryPolicy, Timeouts};

use crate::support::{Api, BASE, Reply, Tokens, bench, bench_with, broken, reply, status, throttled};

const SECOND: Duration = Duration::from_secs(1);

fn later(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

// ID-1, TR-2
#[tokio::test]
async fn every_attempt_has_an_id_of_its_own_and_asks_for_the_token_again() {
    let api = Api::answering([throttled(429, "1"), status(503), reply(200, &[], r#"{"id":"1"}"#)]);
    let bench = bench(&api);
    let response = bench.client.get("/users/1").header("prefer", "x").send().await.unwrap();

    assert_eq!((response.json::<Value>().unwrap(), response.attempts()), (json!({"id": "1"}), 3));
    assert_eq!(bench.tokens.asked(), 3);
    assert_eq!(api.header("authorization"), ["Bearer token-0"; 3]);
    assert_eq!(
        (api.header("accept"), api.header("prefer")),
        (vec!["application/json".to_owned(); 3], vec!["x".to_owned(); 3])
    );
    let ids: HashSet<String> = api.header("client-request-id").into_iter().collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| id.len() == 36), "{ids:?}");
}

// RT-5
#[tokio::test]
async fn a_call_waits_as_long_as_the_server_asks_and_no_shorter() {
    let api = Api::answering([throttled(429, "7"), throttled(503, "11")]);
    let bench = bench(&api);
    bench.client.post("/users").json(&json!({})).send().await.unwrap();
    let slept = bench.clock.slept();
    assert!(slept.len() == 2 && slept[0] >= 7 * SECOND && slept[1] >= 11 * SECOND, "{slept:?}");
}

// RT-5, RL-1, W4, W10
#[tokio::test]
async fn a_wait_beyond_the_deadline_fails_at_once_and_the_gate_tells_the_next_caller() {
    let api = Api::answering([throttled(429, "300")]);
    let bench = bench(&api);
    let error = bench.client.get("/users").send().await.unwrap_err();
    assert!(error.is_throttled() && error.is_transient() && !error.is_ambiguous());
    assert!(error.retry_at().unwrap() >= later(300));
    assert!(bench.clock.slept().is_empty());

    let next = bench.client.clone().get("/groups").send().await.unwrap_err();
    assert!(next.is_throttled() && next.attempts() == 0, "{next}");
    assert_eq!((next.retry_at(), api.sent()), (Some(later(300)), 1));

    bench.clock.advance(301 * SECOND);
    bench.client.get("/groups").send().await.unwrap();
}

// RL-1
#[tokio::test]
async fn the_gate_that_one_caller_closed_holds_the_others_back() {
    let api = Api::answering([throttled(429, "20")]);
    let bench = bench_with(&api, Tokens::default(), ManualClock::at(1_800_000_000), |builder| builder);
    let call = |path: &'static str| {
        let client = bench.client.clone();
        tokio::spawn(async move { client.get(path).send().await })
    };
    let first = call("/a");
    tokio::task::yield_now().await;
    let second = call("/b");
    tokio::task::yield_now().await;
    assert_eq!(api.sent(), 1);
    bench.clock.advance(19 * SECOND);
    tokio::task::yield_now().await;
    assert_eq!(api.sent(), 1);
    bench.clock.advance(3 * SECOND);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(api.sent(), 3);
}

// RT-2, RT-3, W6, W10
#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    for reply in [
        status(503),
        status(500),
        status(504),
        broken(HttpErrorKind::Interrupted),
        broken(HttpErrorKind::Timeout),
    ] {
        let api = Api::answering([reply]);
        let error = bench(&api).client.post("/users").json(&json!({})).send().await.unwrap_err();
        assert!(error.is_ambiguous() && error.attempts() == 1 && api.sent() == 1, "{error}");
        assert!(error.to_string().contains("may have done it"), "{error}");
    }
    let api = Api::answering([broken(HttpErrorKind::Connect), status(201)]);
    assert_eq!(bench(&api).client.post("/users").send().await.unwrap().attempts(), 2);
    let api = Api::answering([broken(HttpErrorKind::Interrupted), status(500), status(200)]);
    assert_eq!(bench(&api).client.post("/x").idempotent().send().await.unwrap().attempts(), 3);
}

// RT-3
#[tokio::test]
async fn a_repeated_delete_that_finds_nothing_is_done() {
    let api = Api::answering([broken(HttpErrorKind::Interrupted), status(404)]);
    let response = bench(&api).client.delete("/users/1").send().await.unwrap();
    assert!(response.already_gone() && response.status() == 404);

    for first in [vec![status(404)], vec![broken(HttpErrorKind::Connect), status(404)]] {
        let error = bench(&Api::answering(first)).client.delete("/users/1").send().await.unwrap_err();
        assert!(error.is_not_found() && !error.is_ambiguous());
    }
}

// RT-3
#[tokio::test]
async fn a_repeated_create_that_finds_itself_is_ambiguous() {
    let exists =
        r#"{"error":{"code":"Request_BadRequest","details":[{"code":"ObjectConflict","target":"upn"}]}}"#;
    for conflict in [status(409), reply(400, &[], exists)] {
        let api = Api::answering([throttled(429, "1"), conflict]);
        let error = bench(&api).client.post("/users").send().await.unwrap_err();
        assert!(error.is_ambiguous() && error.is_conflict() && error.attempts() == 2);
    }
    let api = Api::answering([status(409)]);
    assert!(!bench(&api).client.post("/users").send().await.unwrap_err().is_ambiguous());
}

// RT-6, RT-10, W14
#[tokio::test]
async fn the_last_answer_comes_with_the_list_of_attempts() {
    let api = Api::by(|_| reply(503, &[("request-id", "r")], "{}"));
    let bench = bench(&api);
    let error = bench.client.get("/users").send().await.unwrap_err();
    let log = error.attempt_log();
    assert_eq!((log.len(), api.sent()), (6, 6));
    assert!(
        log.iter()
            .all(|attempt| attempt.status.unwrap() == 503 && attempt.request_id.as_deref() == Some("r"))
    );
    assert!(log[5].wait.is_zero() && error.is_transient() && !error.is_ambiguous());
    assert_eq!(bench.clock.slept(), log[..5].iter().map(|attempt| attempt.wait).collect::<Vec<_>>());

    let once = bench.client.with_retry(RetryPolicy::never());
    assert_eq!(once.get("/users").send().await.unwrap_err().attempts(), 1);
    assert_eq!(api.sent(), 7);
}

// RT-6
#[tokio::test]
async fn a_job_goes_on_while_the_server_says_when() {
    let mut left = 40;
    let api = Api::by(move |_| {
        left -= 1;
        if left > 0 { throttled(429, "5") } else { status(200) }
    });
    let bench = bench(&api);
    assert_eq!(bench.client.with_retry(RetryPolicy::job()).get("/x").send().await.unwrap().attempts(), 40);
    let error = {
        let api = Api::by(|_| throttled(429, "5"));
        support::bench(&api).client.with_retry(RetryPolicy::job().within(60 * SECOND)).get("/x").send().await
    };
    assert!(error.unwrap_err().attempts() < 14);
}

// RD-1, RD-2
#[tokio::test]
async fn a_token_goes_to_its_api_and_nowhere_else() {
    let api = Api::answering([reply(302, &[("location", "https://evil.example/")], "")]);
    let bench = bench(&api);
    let redirected = bench.client.get("/users").send().await.unwrap_err();
    assert_eq!((redirected.status().unwrap().as_u16(), redirected.attempts(), api.sent()), (302, 1, 1));
    for foreign in [
        "https://evil.example/v1.0/users",
        "https://graph.example:8443/",
        "http://graph.example/",
        "https://a@graph.example/",
    ] {
        assert!(bench.client.get(foreign).send().await.unwrap_err().is_foreign_origin(), "{foreign}");
        assert!(
            bench.client.resume_pages(foreign).next().await.unwrap_err().is_foreign_origin(),
            "{foreign}"
        );
    }
    for name in ["Authorization", "Proxy-Authorization", "Host"] {
        let error = bench.client.get("/users").header(name, "x").send().await.unwrap_err();
        assert!(error.to_string().contains("set by the client alone"), "{error}");
    }
    assert_eq!((api.sent(), bench.tokens.asked()), (1, 1));
}

// AU-1; 46 (identity, section 3.3)
#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let api = Api::answering([status(401), status(201)]);
    let bench = bench(&api);
    let response = bench.client.post("/users").json(&json!({"a": 1})).send().await.unwrap();
    assert_eq!((response.attempts(), bench.tokens.challenges()), (1, vec![None]));
    assert_eq!(api.header("authorization"), ["Bearer token-0", "Bearer token-1"]);
    assert_eq!(api.requests()[1].body(), r#"{"a":1}"#);
    assert_ne!(api.header("client-request-id")[0], api.header("client-request-id")[1]);

    let api = Api::by(|_| status(401));
    let error = support::bench(&api).client.get("/users").send().await.unwrap_err();
    assert!(error.is_unauthorized() && !error.is_transient());
    assert_eq!(api.sent(), 2);
}

// AU-1
#[tokio::test]
async fn the_same_token_is_not_offered_twice() {
    let api = Api::by(|_| status(401));
    let stuck = Tokens { stuck: true, ..Tokens::default() };
    let bench = bench_with(&api, stuck, ManualClock::self_advancing_at(0), |builder| builder);
    assert!(bench.client.get("/users").send().await.unwrap_err().is_unauthorized());
    assert_eq!((api.sent(), bench.tokens.asked()), (1, 2));
}

// AU-2, W15
#[tokio::test]
async fn a_claims_challenge_reaches_the_token_source() {
    for code in [401, 403] {
        let challenge = r#"Bearer error="insufficient_claims", claims="eyJhIjoxfQ""#;
        let api = Api::answering([reply(code, &[("www-authenticate", challenge)], "")]);
        let bench = bench(&api);
        bench.client.get("/users").send().await.unwrap();
        assert_eq!(bench.tokens.challenges(), [Some(r#"{"a":1}"#.to_owned())]);
    }
}

// AU-3, ER-1
#[tokio::test]
async fn a_missing_permission_is_told_and_not_repeated() {
    let body = r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation.","innerError":{"request-id":"r-1"}}}"#;
    let api = Api::answering([reply(403, &[], body)]);
    let error = bench(&api).client.get("/users?$filter=mail eq 'a@b'").send().await.unwrap_err();
    assert!(error.needs_administrator() && !error.is_transient() && api.sent() == 1);
    assert_eq!((error.code(), error.request_id()), (Some("Authorization_RequestDenied"), Some("r-1")));
    assert_eq!(
        error.to_string(),
        "GET https://graph.example/v1.0/users?$filter=[redacted]: refused with 403 Forbidden, \
         Authorization_RequestDenied: Insufficient privileges to complete the operation. [request-id r-1]"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let api = Api::answering([]);
    let failing = |failure| {
        let tokens = Tokens { failures: std::sync::Mutex::new([failure].into()), ..Tokens::default() };
        bench_with(&api, tokens, ManualClock::self_advancing_at(1_800_000_000), |builder| builder)
    };
    let error =
        failing(TokenSourceError::permanent("AADSTS7000215")).client.get("/x").send().await.unwrap_err();
    assert!(error.is_token() && !error.is_transient() && !error.is_ambiguous() && api.sent() == 0);

    let passing = failing(TokenSourceError::transient("busy", Some(later(30))));
    passing.client.post("/x").send().await.unwrap();
    assert!(passing.clock.slept()[0] >= 30 * SECOND);
}

/// Accepts requests and says nothing, or drips a body.
#[derive(Debug)]
struct Slow {
    clock: ManualClock,
    pause: Option<Duration>,
}

impl HttpClient for Slow {
    fn send(&self, _: http::Request<Bytes>) -> BoxFuture<'_, Reply> {
        let Some(pause) = self.pause else { return Box::pin(future::pending()) };
        let clock = self.clock.clone();
        let drip = stream::iter(0..4).then(move |_| {
            let wait = unattended_core::Clock::sleep(&clock, pause);
            async move {
                wait.await;
                Ok::<_, HttpError>(Bytes::from_static(b"x"))
            }
        });
        Box::pin(async { Ok(http::Response::new(ResponseBody::new(drip))) })
    }
}

async fn slow(pause: Option<Duration>, steps: u32) -> Option<Result<Bytes, unattended_webapi::Error>> {
    let clock = ManualClock::at(1_800_000_000);
    let client = Client::builder(BASE)
        .http(std::sync::Arc::new(Slow { clock: clock.clone(), pause }))
        .token_source(std::sync::Arc::new(Tokens::default()))
        .clock(std::sync::Arc::new(clock.clone()))
        .retry(RetryPolicy::never().within(1_000 * SECOND))
        .timeouts(Timeouts::default())
        .build()
        .unwrap();
    let call = tokio::spawn(async move { client.get("/x").send().await });
    for _ in 0..steps {
        tokio::task::yield_now().await;
        clock.advance(SECOND);
    }
    tokio::task::yield_now().await;
    if call.is_finished() { Some(call.await.unwrap().map(|response| response.body().clone())) } else { None }
}

// TO-1
#[tokio::test]
async fn silence_is_given_up_after_a_minute_and_a_slow_body_is_not() {
    assert!(slow(None, 59).await.is_none());
    let silence = slow(None, 61).await.unwrap().unwrap_err();
    assert!(silence.is_transient() && !silence.is_ambiguous() && silence.attempts() == 1);
    assert_eq!(slow(Some(30 * SECOND), 125).await.unwrap().unwrap(), "xxxx");
    assert!(slow(Some(61 * SECOND), 62).await.unwrap().unwrap_err().is_transient());
}

// CP-1
#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let api = Api::by(|_| reply(200, &[], "12345"));
    let limited = |bytes| {
        bench_with(&api, Tokens::default(), ManualClock::at(0), |builder| builder.longest_body(bytes)).client
    };
    assert_eq!(limited(5).get("/x").send().await.unwrap().body(), "12345");
    let error = limited(4).get("/x").send().await.unwrap_err();
    assert!(!error.is_transient() && error.attempts() == 1);
}

// TR-1
#[tokio::test]
async fn no_token_no_body_and_no_query_value_is_in_an_error_or_in_debug_output() {
    let api = Api::answering([
        reply(200, &[], r#"{"secretText":"hunter2"}"#),
        reply(200, &[], r#"{"value":["hunter2"]}"#),
        reply(200, &[], r#"{"responses":[{"id":"1","status":200,"body":"hunter2"}]}"#),
        reply(400, &[], "the token eyJhbGci.eyJzdWIi.c2ln failed"),
    ]);
    let client = bench(&api).client;
    let request = client.post("/x?secret=hunter2").json(&json!({"password": "hunter2"}));
    let in_batch = BatchRequest::new("1", http::Method::POST, "/x?a=hunter2").json("hunter2");
    let mut text = format!("{client:?} {request:?} {in_batch:?}");
    let response = request.send().await.unwrap();
    let page = client.pages("/x?a=hunter2").next().await.unwrap();
    let outcomes = client.batch(vec![in_batch]).await.unwrap();
    let error = client.get("/x?secret=hunter2").send().await.unwrap_err();
    text += &format!("{response:?} {page:?} {outcomes:?} {error} {error:?}");
    for never in ["token-0", "eyJ", "hunter2"] {
        assert!(!text.contains(never), "{never} in {text}");
    }
}
