//! Many tenants in one process: none of them delays the others.

mod support;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use unattended_core::{BoxFuture, Clock, HttpClient, HttpError, ResponseBody, SeededEntropy};
use unattended_webapi::{Client, RetryPolicy, Traffic};

use crate::support::{Api, BASE, OneToken, Paused, Tokens, bench_with, status, throttled};

const TENANTS: u32 = 100;
const CALLS: u32 = 40;

/// Answers after 100 ms; the tenant without a quota is refused for two seconds each time.
struct Directory {
    clock: Paused,
    refused: Option<&'static str>,
}

impl HttpClient for Directory {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(100)).await;
            let tenant = request.headers()["x-tenant"].to_str().unwrap_or_default();
            if self.refused == Some(tenant) { throttled(429, "2") } else { status(204) }
        })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

/// All tenants at once through 64 places; when all but the first were done.
async fn run(refused: Option<&'static str>) -> Duration {
    let clock = Paused::now();
    let directory = Arc::new(Directory { clock, refused });
    let traffic = Traffic::at_most(64);
    let policy = RetryPolicy::job().within(Duration::from_secs(30));
    let mut calls = Vec::new();
    for tenant in 0..TENANTS {
        let client = Client::builder(BASE)
            .identity(&tenant.to_string(), "app")
            .http(directory.clone())
            .token_source(Arc::new(OneToken))
            .clock(Arc::new(clock))
            .entropy(Arc::new(SeededEntropy::new(u64::from(tenant))))
            .retry(policy)
            .traffic(&traffic)
            .build()
            .unwrap();
        // The tenant that has no quota has ten times as much to do.
        let calls_of_tenant = if tenant == 0 { CALLS * 10 } else { CALLS };
        for _ in 0..calls_of_tenant {
            let request = client.get("/users").header("x-tenant", &tenant.to_string());
            calls.push((
                tenant,
                tokio::spawn(async move {
                    let done = request.send().await.is_ok();
                    (done, clock.elapsed())
                }),
            ));
        }
    }
    let mut last = Duration::ZERO;
    for (tenant, call) in calls {
        let (done, at) = call.await.unwrap();
        assert_eq!(done, refused != Some("0") || tenant != 0, "{tenant}");
        if tenant != 0 {
            last = last.max(at);
        }
    }
    last
}

// RL-6
#[tokio::test(start_paused = true)]
async fn a_tenant_without_a_quota_delays_none_of_the_other_ninety_nine() {
    let (baseline, beside) = (run(None).await, run(Some("0")).await);
    assert!(beside <= baseline.mul_f64(1.05), "{beside:?} beside it, {baseline:?} without it");
    // 99 tenants with 40 calls of 100 ms through 64 places: nobody could be faster than this.
    assert!(baseline >= Duration::from_millis(6_100), "{baseline:?}");
}

fn of_tenant(api: &Api, traffic: &Traffic, tenant: &str) -> Client {
    let clock = unattended_core::ManualClock::self_advancing_at(1_800_000_000);
    bench_with(api, Tokens::default(), clock, |it| {
        it.traffic(traffic).identity(tenant, "app").retry(RetryPolicy::never())
    })
    .client
}

// RL-1, CB-1, RT-7
#[tokio::test]
async fn clients_of_one_process_share_what_they_learn_about_an_api() {
    let api = Api::answering([throttled(429, "600")]);
    let traffic = Traffic::default();
    let (one, same, other) =
        (of_tenant(&api, &traffic, "a"), of_tenant(&api, &traffic, "a"), of_tenant(&api, &traffic, "b"));
    assert!(one.get("/x").send().await.unwrap_err().is_throttled());
    let held_back = same.get("/x").send().await.unwrap_err();
    assert!(held_back.is_throttled() && held_back.attempts() == 0, "{held_back}");
    assert!(other.get("/x").send().await.is_ok(), "another tenant has a quota of its own");
    assert!(of_tenant(&api, &Traffic::default(), "a").get("/x").send().await.is_ok());

    // That the API is down is not a matter of tenants.
    let down = Api::by(|_| status(500));
    let traffic = Traffic::default();
    for _ in 0..10 {
        _ = of_tenant(&down, &traffic, "a").get("/x").send().await;
    }
    let told = of_tenant(&down, &traffic, "b").get("/x").send().await.unwrap_err();
    assert!(told.is_circuit_open() && down.sent() == 10, "{told}");
}
