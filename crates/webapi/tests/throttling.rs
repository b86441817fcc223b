//! Going fast without being throttled: the client against a model of a quota, on virtual time.

mod support;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use unattended_core::{BoxFuture, Clock, HttpClient, ResponseBody, SeededEntropy};
use unattended_webapi::{Client, Limits, RetryPolicy};

use crate::support::{Api, BASE, OneToken, Paused, Reply, bench, status, tell_measured, throttled};

/// A token bucket: 800 requests a second and 8,000 at once, an answer after 150 ms; what is refused is charged too.
struct Quota {
    clock: Paused,
    bucket: Mutex<Bucket>,
    /// From when to when there is only a quarter.
    cut: (Duration, Duration),
}

struct Bucket {
    tokens: f64,
    filled: Duration,
    sent: u64,
    refused: u64,
}

const RATE: f64 = 800.0;
const BURST: f64 = 8_000.0;

impl Quota {
    fn answer(&self) -> Reply {
        let mut bucket = self.bucket.lock().unwrap();
        let now = self.clock.elapsed();
        let rate = if now >= self.cut.0 && now < self.cut.1 { RATE / 4.0 } else { RATE };
        let passed = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.filled = now;
        bucket.tokens = (bucket.tokens + passed * rate).min(BURST) - 1.0;
        bucket.sent += 1;
        if bucket.tokens >= 0.0 {
            return status(204);
        }
        bucket.refused += 1;
        throttled(429, &((-bucket.tokens / rate).ceil().max(1.0)).to_string())
    }
}

impl HttpClient for Quota {
    fn send(
        &self,
        _: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<ResponseBody>, unattended_core::HttpError>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(75)).await;
            let answer = self.answer();
            self.clock.sleep(Duration::from_millis(75)).await;
            answer
        })
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quota")
    }
}

/// What 200,000 calls by 200 workers come to: wall time, share of 429s, lost calls.
async fn replay(cut: (u64, u64)) -> (Duration, f64, u64) {
    const CALLS: u64 = 200_000;
    const WORKERS: u64 = 200;
    let clock = Paused::now();
    let quota = Arc::new(Quota {
        clock,
        bucket: Mutex::new(Bucket { tokens: BURST, filled: Duration::ZERO, sent: 0, refused: 0 }),
        cut: (Duration::from_secs(cut.0), Duration::from_secs(cut.1)),
    });
    let client = Client::builder(BASE)
        .http(quota.clone())
        .token_source(Arc::new(OneToken))
        .clock(Arc::new(clock))
        .entropy(Arc::new(SeededEntropy::new(3)))
        .retry(RetryPolicy::job())
        .build()
        .unwrap();
    let workers = (0..WORKERS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for _ in 0..CALLS / WORKERS {
                lost += u64::from(client.get("/users/1").send().await.is_err());
            }
            lost
        })
    });
    let mut lost = 0;
    for worker in workers.collect::<Vec<_>>() {
        lost += worker.await.unwrap();
    }
    let bucket = quota.bucket.lock().unwrap();
    (clock.elapsed(), bucket.refused as f64 / bucket.sent as f64, lost)
}

// RL-1, RL-2
#[tokio::test(start_paused = true)]
async fn a_steady_quota_is_used_up_and_hardly_exceeded() {
    let (wall, refused, lost) = replay((0, 0)).await;
    tell("a steady quota", wall, 244.0, refused, lost);
    // The quota itself takes 240 s. The best of the strategies that the model compares, which refuses five times as many,
    // takes 244 s.
    assert!(wall <= Duration::from_secs(244).mul_f64(1.05), "{wall:?}");
    assert!(refused <= 0.005 && lost == 0, "{refused} refused, {lost} lost, {wall:?}");
}

// RL-1, RL-2
#[tokio::test(start_paused = true)]
async fn a_quota_that_is_cut_for_a_while_loses_nothing() {
    let (wall, refused, lost) = replay((60, 120)).await;
    tell("a quota cut to a quarter for a minute", wall, 291.0, refused, lost);
    assert!(wall <= Duration::from_secs(291).mul_f64(1.05), "{wall:?}");
    assert!(refused <= 0.005 && lost == 0, "{refused} refused, {lost} lost, {wall:?}");
}

fn tell(what: &str, wall: Duration, best: f64, refused: f64, lost: u64) {
    let (wall, what) = (wall.as_secs_f64(), format!("200,000 calls, {what}"));
    tell_measured(&what, &format!("{wall:.1} s, {lost} lost"), (1.05, wall / best), "x the best strategy");
    tell_measured("429s of all requests", "", (0.5, refused * 100.0), "%");
}

// RL-5
#[tokio::test]
async fn batch_work_can_ask_to_be_throttled_first() {
    let api = Api::answering([]);
    let client = bench(&api).client;
    client.with_low_priority().get("/x").send().await.unwrap();
    client.get("/x").send().await.unwrap();
    assert_eq!(api.header("x-ms-throttle-priority"), ["low", ""]);
}

// RL-4
#[tokio::test]
async fn a_small_quota_is_kept_to_before_it_is_exceeded() {
    let api = Api::answering([]);
    let bench = crate::support::bench_with(
        &api,
        crate::support::Tokens::default(),
        unattended_core::ManualClock::self_advancing_at(1_800_000_000),
        |it| it.limits(Limits::microsoft_graph()),
    );
    for _ in 0..11 {
        bench.client.get("/auditLogs/signIns").send().await.unwrap();
    }
    let waits: Vec<u64> = bench.clock.slept().iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [10, 10], "five at once, then after ten seconds, then after twenty");
    let unlimited = crate::support::bench(&api);
    for _ in 0..11 {
        unlimited.client.get("/auditLogs/signIns").send().await.unwrap();
    }
    assert!(unlimited.clock.slept().is_empty());
}

// RL-4, RL-3
#[tokio::test]
async fn what_a_request_costs_is_learned_and_paid_with_turns() {
    let told = [("ratelimit-remaining", "10"), ("ratelimit-reset", "10"), ("x-ms-resource-unit", "7")];
    let api = Api::by(move |_| crate::support::reply(200, &told, ""));
    let bench = crate::support::bench_with(
        &api,
        crate::support::Tokens::default(),
        unattended_core::ManualClock::self_advancing_at(1_800_000_000),
        |it| it.limits(Limits::microsoft_graph()),
    );
    for path in ["/users/1?$select=id", "/users/2?$select=mail", "/users/3?$select=id"] {
        bench.client.get(path).send().await.unwrap();
    }
    let waits: Vec<u64> = bench.clock.slept().iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [7], "the second pays seven turns of a second, and the third waits for them");
}
