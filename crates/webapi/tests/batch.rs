//! Many requests in one, each judged and retried alone.

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use unattended_core::HttpErrorKind;
use unattended_webapi::{BatchOutcome, BatchRequest};

use crate::support::{Api, Reply, bench, broken, json, status, tell_measured, throttled};

fn create(id: usize) -> BatchRequest {
    BatchRequest::new(id.to_string(), Method::POST, "/users").json(json!({ "n": id }))
}

fn read(id: usize) -> BatchRequest {
    BatchRequest::new(id.to_string(), Method::GET, format!("/users/{id}"))
}

/// The requests of an outer request.
fn inner(request: &Request<Bytes>) -> Vec<Value> {
    serde_json::from_slice::<Value>(request.body()).unwrap()["requests"].as_array().unwrap().clone()
}

fn id(request: &Value) -> String {
    request["id"].as_str().unwrap().to_owned()
}

/// A batch endpoint that answers every request inside, in reverse order, with `(status, headers, body)`.
fn each(mut answer: impl FnMut(&Value) -> (u16, Value, Value) + Send + 'static) -> Api {
    Api::by(move |request| {
        let mut responses: Vec<Value> = inner(request)
            .iter()
            .map(|request| {
                let (status, headers, body) = answer(request);
                json!({ "id": request["id"], "status": status, "headers": headers, "body": body })
            })
            .collect();
        responses.reverse();
        json(&json!({ "responses": responses }))
    })
}

fn sizes(api: &Api) -> Vec<usize> {
    api.requests().iter().map(|request| inner(request).len()).collect()
}

fn statuses(outcomes: &[BatchOutcome]) -> Vec<u16> {
    let status = |outcome: &BatchOutcome| match &outcome.result {
        Ok(response) => response.status.as_u16(),
        Err(error) => error.status().map_or(0, |status| status.as_u16()),
    };
    outcomes.iter().map(status).collect()
}

// BT-1, BT-4
#[tokio::test]
async fn any_number_goes_in_twenties_and_comes_back_in_the_callers_order() {
    let api = each(|request| (201, json!({"location": "x"}), request["body"].clone()));
    let outcomes = bench(&api).client.batch((0..45).map(create).collect()).await.unwrap();
    assert_eq!(sizes(&api), [20, 20, 5]);
    for (index, outcome) in outcomes.iter().enumerate() {
        let response = outcome.result.as_ref().unwrap();
        assert_eq!(
            (outcome.id.as_str(), &response.body),
            (index.to_string().as_str(), &json!({ "n": index }))
        );
        assert_eq!(
            (response.status.as_u16(), &response.headers["location"]),
            (201, &"x".parse::<http::HeaderValue>().unwrap())
        );
    }
    let request = &api.requests()[0];
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1.0/$batch"));
    let expected = json!({"id": "0", "method": "POST", "url": "/users", "headers": {"content-type": "application/json"}, "body": {"n": 0}});
    assert_eq!(inner(request)[0], expected);
    assert!(bench(&api).client.batch(Vec::new()).await.unwrap().is_empty());
}

// BT-1
#[tokio::test]
async fn what_can_never_be_sent_is_refused_before_anything_is() {
    let api = Api::answering([]);
    let client = bench(&api).client;
    let get = |id: &str, url: &str| BatchRequest::new(id, Method::GET, url);
    for wrong in [
        vec![get("a", "/x"), get("A", "/y")],
        vec![get("", "/x")],
        vec![get("a", "https://graph.example/v1.0/x")],
        vec![get("a", "//evil.example/x")],
        vec![get("a", "users")],
        vec![get("a", "/x").header("Authorization", "Bearer x")],
        vec![get("a", "/x").header("a b", "x")],
    ] {
        let error = client.batch(wrong).await.unwrap_err();
        assert!(!error.is_transient() && error.attempts() == 0, "{error}");
    }
    assert_eq!(api.sent(), 0);
}

// BT-3
#[tokio::test]
async fn only_those_that_failed_are_sent_again_and_after_the_longest_wait_that_was_asked() {
    let tries = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let api = each(move |request| {
        let mut tries = tries.lock().unwrap();
        let tries = tries.entry(id(request)).or_default();
        *tries += 1;
        let number: u32 = id(request).parse().unwrap();
        if number < 7 && *tries <= 2 {
            (
                429,
                json!({ "Retry-After": (number + 1).to_string() }),
                json!({"error": {"code": "TooManyRequests"}}),
            )
        } else {
            (201, json!({}), json!({}))
        }
    });
    let bench = bench(&api);
    let outcomes = bench.client.batch((0..20).map(create).collect()).await.unwrap();
    assert_eq!(sizes(&api), [20, 7, 7]);
    assert_eq!(statuses(&outcomes), [201; 20]);
    let slept = bench.clock.slept();
    assert!(slept.len() == 2 && slept.iter().all(|wait| *wait >= Duration::from_secs(7)), "{slept:?}");
}

// BT-3
#[tokio::test]
async fn repeated_requests_share_a_batch_with_the_next_ones() {
    let mut refused = 0;
    let api = each(move |_| {
        refused += 1;
        if refused <= 5 { (429, json!({"Retry-After": 1}), json!({})) } else { (200, json!({}), json!({})) }
    });
    let outcomes = bench(&api).client.batch((0..35).map(read).collect()).await.unwrap();
    assert_eq!((sizes(&api), statuses(&outcomes)), (vec![20, 20], vec![200; 35]));
    let second: Vec<String> = inner(&api.requests()[1]).iter().map(id).collect();
    assert_eq!(second[..6], ["0", "1", "2", "3", "4", "20"]);
}

// BT-3, RT-2, RT-3
#[tokio::test]
async fn each_answer_is_judged_by_its_own_request() {
    let api = each(|request| match id(request).as_str() {
        "post" | "get" | "declared" => (503, json!({}), json!({"error": {"code": "busy"}})),
        "denied" => {
            (403, json!({}), json!({"error": {"code": "Authorization_RequestDenied", "message": "no"}}))
        }
        _ => (200, json!({}), json!({})),
    });
    let request = |id: &str, method: Method| BatchRequest::new(id, method, "/x");
    let outcomes = bench(&api)
        .client
        .batch(vec![
            request("post", Method::POST),
            request("get", Method::GET),
            request("declared", Method::POST).idempotent(),
            request("denied", Method::GET),
            request("fine", Method::GET),
        ])
        .await
        .unwrap();
    assert_eq!(statuses(&outcomes), [503, 503, 503, 403, 200]);
    assert_eq!(sizes(&api), [5, 2, 2, 2, 2, 2]);
    let errors: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()).collect();
    let seen: Vec<_> = errors.iter().map(|error| (error.is_ambiguous(), error.attempts())).collect();
    assert_eq!(seen, [(true, 1), (false, 6), (false, 6), (false, 1)]);
    assert!(errors[3].needs_administrator() && errors[3].code() == Some("Authorization_RequestDenied"));
    assert_eq!(
        errors[0].to_string(),
        "POST /x: refused with 503 Service Unavailable, busy; the API may have done it nevertheless"
    );
}

// BT-3, RT-3
#[tokio::test]
async fn a_repeated_delete_inside_a_batch_that_finds_nothing_is_done() {
    let mut answers = [500, 404].into_iter();
    let api = each(move |_| (answers.next().unwrap(), json!({}), json!({})));
    let delete = BatchRequest::new("1", Method::DELETE, "/users/1");
    let outcomes = bench(&api).client.batch(vec![delete]).await.unwrap();
    assert!(outcomes[0].result.as_ref().unwrap().already_gone);
}

// BT-4
#[tokio::test]
async fn a_missing_or_repeated_answer_concerns_its_request_alone() {
    let api = Api::answering([json(&json!({"responses": [
        {"id": "2", "status": 200}, {"id": "1", "status": "201", "body": {"a": 1}}, {"id": "2", "status": 200},
        {"id": "9", "status": 200}, {"id": "3", "status": 99}, "nonsense",
    ]}))]);
    let outcomes = bench(&api).client.batch(vec![create(0), create(1), read(2), read(3)]).await.unwrap();
    assert_eq!(statuses(&outcomes), [0, 201, 0, 0]);
    let ambiguous = |index: usize| outcomes[index].result.as_ref().unwrap_err().is_ambiguous();
    assert_eq!((ambiguous(0), ambiguous(2), ambiguous(3), api.sent()), (true, false, false, 1));
}

/// The outer request fails with `first`, then every request inside succeeds.
fn failing_first(first: Reply) -> Api {
    let mut first = Some(first);
    Api::by(move |request| {
        first.take().unwrap_or_else(|| {
            let responses: Vec<Value> =
                inner(request).iter().map(|request| json!({"id": request["id"], "status": 200})).collect();
            json(&json!({ "responses": responses }))
        })
    })
}

// BT-5
#[tokio::test]
async fn a_throttled_batch_waits_as_a_whole() {
    for code in [429, 503] {
        let api = failing_first(throttled(code, "9"));
        let bench = bench(&api);
        assert_eq!(statuses(&bench.client.batch(vec![create(0), read(1)]).await.unwrap()), [200, 200]);
        assert!(bench.clock.slept()[0] >= Duration::from_secs(9));
    }
}

// BT-5
#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_sent_again_only_if_all_of_it_may_be() {
    for lost in [|| status(504), || broken(HttpErrorKind::Interrupted)] {
        let harmless = failing_first(lost());
        let outcomes = bench(&harmless).client.batch(vec![read(0), create(1).idempotent()]).await.unwrap();
        assert_eq!((statuses(&outcomes), harmless.sent()), (vec![200, 200], 2));

        let api = failing_first(lost());
        let mut requests: Vec<BatchRequest> = (0..19).map(read).collect();
        requests.extend([create(19), create(20), read(21)]);
        let outcomes = bench(&api).client.batch(requests).await.unwrap();
        assert_eq!(sizes(&api), [20]);
        let error = |index: usize| outcomes[index].result.as_ref().unwrap_err();
        let seen: Vec<_> =
            [0, 19, 20, 21].map(|at| (error(at).is_ambiguous(), error(at).is_transient())).into();
        assert_eq!(seen, [(false, true), (true, true), (false, true), (false, true)]);
        assert!(error(20).to_string().contains("not sent"), "{}", error(20));
    }
}

#[tokio::test]
async fn an_outer_refusal_is_the_outcome_of_every_request() {
    let api = Api::answering([status(403)]);
    let outcomes = bench(&api).client.batch((0..21).map(create).collect()).await.unwrap();
    let error = outcomes[0].result.as_ref().unwrap_err();
    assert!(error.needs_administrator() && !error.is_ambiguous());
    assert!(std::error::Error::source(error).unwrap().to_string().contains("403 Forbidden"));
    assert!(!outcomes[20].result.as_ref().unwrap_err().is_transient());
    assert_eq!(api.sent(), 1);
}

/// A batch endpoint that carries out what depends on nothing that failed, like Graph's.
fn ordered(mut answer: impl FnMut(&str) -> u16 + Send + 'static) -> Api {
    Api::by(move |request| {
        let mut done: HashMap<String, u16> = HashMap::new();
        let mut responses = Vec::new();
        for request in inner(request) {
            let before = request["dependsOn"].as_array().cloned().unwrap_or_default();
            let failed = before.iter().any(|id| done.get(id.as_str().unwrap()).is_none_or(|it| *it > 299));
            let status = if failed { 424 } else { answer(&id(&request)) };
            done.insert(id(&request), status);
            let headers = if status == 429 { json!({"Retry-After": "1"}) } else { json!({}) };
            responses.push(json!({"id": request["id"], "status": status, "headers": headers, "body": {}}));
        }
        json(&json!({ "responses": responses }))
    })
}

// BT-2, BT-3
#[tokio::test]
async fn what_depends_on_each_other_stays_together_and_goes_again_together() {
    let mut throttled = HashMap::from([("b", 2_u32)]);
    let api = ordered(move |id| match throttled.get_mut(id) {
        Some(left) if *left > 0 => {
            *left -= 1;
            429
        }
        _ => 201,
    });
    let mut requests: Vec<BatchRequest> = (0..18).map(read).collect();
    requests.push(BatchRequest::new("a", Method::POST, "/x"));
    requests.push(BatchRequest::new("b", Method::POST, "/x").depends_on(["A"]));
    requests.push(BatchRequest::new("c", Method::POST, "/x").depends_on(["b", "a"]));
    requests.extend((18..20).map(read));
    let outcomes = bench(&api).client.batch(requests).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let sent: Vec<Vec<String>> =
        api.requests().iter().map(|request| inner(request).iter().map(id).collect()).collect();
    // The three do not fit beside the first eighteen.
    assert_eq!((sent[0].len(), &sent[1]), (18, &["a", "b", "c", "18", "19"].map(str::to_owned).into()));
    assert_eq!(sent[2..], [["b", "c"], ["b", "c"]]);
    let again = inner(&api.requests()[2]);
    assert_eq!((again[0].get("dependsOn"), &again[1]["dependsOn"]), (None, &json!(["b"])));
}

// BT-2
#[tokio::test]
async fn what_depends_on_a_failure_fails_and_nothing_is_sent_that_could_never_go() {
    let api = ordered(|id| if id == "a" { 403 } else { 201 });
    let chain = |id: &str, on: &[&str]| BatchRequest::new(id, Method::POST, "/x").depends_on(on.to_vec());
    let client = bench(&api).client;
    let outcomes = client.batch(vec![chain("a", &[]), chain("b", &["a"]), chain("c", &["b"])]).await.unwrap();
    assert_eq!((statuses(&outcomes), sizes(&api)), (vec![403, 424, 424], vec![3]));
    for wrong in [vec![chain("a", &["b"]), chain("b", &["a"])], vec![chain("a", &["x"])]] {
        assert_eq!(client.batch(wrong).await.unwrap_err().attempts(), 0);
    }
    assert_eq!(api.sent(), 1);
}

// BT-3, RT-9
#[tokio::test]
async fn batches_that_are_under_way_together_stop_together() {
    let mut turn = 0;
    let api = Api::by(move |request| {
        turn += 1;
        match turn {
            1 => status(403),
            _ => {
                let throttled = json!({"Retry-After": "1"});
                let answers: Vec<Value> = inner(request)
                    .iter()
                    .map(|it| json!({ "id": it["id"], "status": if id(it) == "20" { 429 } else { 201 }, "headers": throttled }))
                    .collect();
                json(&json!({ "responses": answers }))
            }
        }
    });
    let client = bench(&api).client.with_batches_under_way(2);
    let outcomes = client.batch((0..60).map(create).collect()).await.unwrap();
    let failed = |range: std::ops::Range<usize>| {
        outcomes[range]
            .iter()
            .filter(|outcome| matches!(&outcome.result, Err(error) if error.is_of_whole_batch()))
            .count()
    };
    // The first is refused, the second was on its way, the third and what is to be repeated are not sent.
    assert_eq!((failed(0..20), failed(20..40), failed(40..60), api.sent()), (20, 1, 20, 2));
    assert!(outcomes[20].result.as_ref().unwrap_err().to_string().contains("not sent"));
}

// BT-3
#[tokio::test]
async fn five_thousand_requests_with_a_tenth_throttled_succeed_once_each() {
    for under_way in [1, 8] {
        five_thousand(under_way).await;
    }
}

async fn five_thousand(under_way: usize) {
    let successes = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let counted = Arc::clone(&successes);
    let mut turn = 0_u64;
    let api = each(move |request| {
        turn += 1;
        if turn.is_multiple_of(10) {
            return (429, json!({"Retry-After": "1"}), json!({}));
        }
        *counted.lock().unwrap().entry(id(request)).or_default() += 1;
        (201, json!({}), json!({}))
    });
    let client = bench(&api).client.with_batches_under_way(under_way);
    let outcomes = client.batch((0..5_000).map(create).collect()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let successes = successes.lock().unwrap();
    assert!(successes.len() == 5_000 && successes.values().all(|times| *times == 1));
    let sent: usize = sizes(&api).iter().sum();
    assert!(sent <= 5_750, "{sent} inner requests");
    let (what, measured) = (
        format!("5,000 items, a tenth of the requests throttled, {under_way} batches at once"),
        format!("{sent} requests"),
    );
    tell_measured(&what, &measured, (1.15, sent as f64 / 5_000.0), "requests an item");
}
