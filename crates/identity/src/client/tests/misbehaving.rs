//! Servers, callbacks and logs when things go wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use futures_util::stream;
use unattended_core::{BoxFuture, HttpClient, HttpError, ResponseBody};

use super::*;
use crate::credential::SignedAssertion;
use crate::error::{Error, ErrorKind};

/// Answers at once with the head, and with a byte of the body every two seconds.
#[derive(Debug)]
struct Dripping {
    clock: ManualClock,
    body: &'static str,
    requests: AtomicUsize,
}

impl HttpClient for Dripping {
    fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        self.requests.fetch_add(1, Relaxed);
        let clock = self.clock.clone();
        let drops = stream::unfold(self.body.as_bytes(), move |left| {
            let clock = clock.clone();
            async move {
                let (drop, rest) = left.split_at_checked(1)?;
                clock.sleep(Duration::from_secs(2)).await;
                Some((Ok(Bytes::from_static(drop)), rest))
            }
        });
        Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::new(drops)))))
    }
}

fn graph_of(http: Arc<dyn HttpClient>, clock: &ManualClock) -> ScopedToken {
    let client = builder(&Arc::new(Server::new()), clock)
        .credential(ClientSecret::new(Secret::from("s")).unwrap())
        .http(http)
        .build()
        .unwrap();
    client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap()
}

// 96 (section 3.8), and requirement 12 of section 6
#[tokio::test]
async fn a_server_that_drips_costs_its_attempts_and_says_so_and_a_slow_answer_in_time_is_whole() {
    let clock = ManualClock::at(1_000);
    let body = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t1"}"#;
    let dripping = Arc::new(Dripping { clock: clock.clone(), body, requests: AtomicUsize::new(0) });
    let graph = graph_of(Arc::clone(&dripping) as _, &clock);
    let call = tokio::spawn(async move { graph.acquire(Freshness::Cached).await });
    for _ in 0..60 {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the token could not be acquired within 30 s");
    let before = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(before, "the token endpoint did not answer within 10 s", "what took so long");
    assert!(error.is_transient());
    assert!((1..=3).contains(&dripping.requests.load(Relaxed)));
    assert!(clock.elapsed() <= Duration::from_secs(60));

    // A tenth of it, four drops, is there before anybody gives up.
    let clock = ManualClock::at(1_000);
    let dripping = Arc::new(Dripping { clock: clock.clone(), body: "{ } ", requests: AtomicUsize::new(0) });
    let graph = graph_of(Arc::clone(&dripping) as _, &clock);
    let call = tokio::spawn(async move { graph.acquire(Freshness::Cached).await });
    for _ in 0..9 {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    settle().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("not with a token response"), "all of it was read: {error}");
    assert_eq!(dripping.requests.load(Relaxed), 1);
}

// Requirement 12 of section 6
#[tokio::test]
async fn an_answer_without_an_end_is_left_after_a_megabyte() {
    #[derive(Debug)]
    struct Endless(AtomicUsize);

    impl HttpClient for Endless {
        fn send(
            &self,
            _: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
            self.0.fetch_add(1, Relaxed);
            let spaces = stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 4_096])));
            Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::new(spaces)))))
        }
    }

    let clock = ManualClock::self_advancing_at(1_000);
    let endless = Arc::new(Endless(AtomicUsize::new(0)));
    let error = graph_of(Arc::clone(&endless) as _, &clock).acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Protocol, "login.example gave an endless answer")
    );
    assert_eq!(endless.0.load(Relaxed), 1, "it would be as long the next time");
}

// 76, 80 and 82 (section 3.6)
#[tokio::test]
async fn every_answer_that_is_no_token_is_an_error_with_its_status_and_shows_no_token() {
    let canary = "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9.c2ln";
    for (status, body, kind) in [
        (200, "", ErrorKind::Protocol),
        (200, "null", ErrorKind::Protocol),
        (200, "{}", ErrorKind::Protocol),
        (200, r#"{"access_token":null,"expires_in":3600}"#, ErrorKind::Protocol),
        (204, "", ErrorKind::Protocol),
        (302, "", ErrorKind::Protocol),
        (400, "", ErrorKind::Protocol),
        (400, "{}", ErrorKind::Protocol),
        (400, "[]", ErrorKind::Protocol),
        (400, r#"{"error":null}"#, ErrorKind::Protocol),
        (400, r#"{"error":["invalid_client"]}"#, ErrorKind::Protocol),
        (404, "<html>", ErrorKind::Protocol),
        (400, r#"{"error":"invalid_scope"}"#, ErrorKind::Configuration),
        (401, r#"{"error":"invalid_client","error_codes":null}"#, ErrorKind::Credential),
        (429, "Too Many Requests", ErrorKind::Throttled),
    ] {
        let house = House::with_clock(ManualClock::self_advancing_at(1_000));
        for _ in 0..3 {
            house.server.answer(status, &format!("{body}{}", if body.is_empty() { "" } else { " " }));
        }
        let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert!(status == 200 || error.status() == Some(status), "{status} {body}");
        assert_eq!(error.endpoint(), Some("https://login.example/contoso.example/oauth2/v2.0/token"));
    }
    for body in [
        format!(r#"{{"access_token":"{canary}"#),
        format!(r#"{{"error":"{canary}","error_description":"{canary}","access_token":"{canary}"}}"#),
        format!("<p>{canary}</p>"),
    ] {
        let house = House::new();
        house.server.answer(400, &body);
        let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
        assert!(!format!("{error} {error:?} {:?}", error.body()).contains("eyJjYW5hcnki"), "{error:?}");
    }
}

#[tokio::test]
async fn a_callback_that_panics_is_an_error_for_everybody_who_waits_and_works_again_when_it_does_not() {
    let calls = Arc::new(AtomicUsize::new(0));
    let credential = SignedAssertion::from_callback("the callback", {
        let calls = Arc::clone(&calls);
        move |_| {
            let call = calls.fetch_add(1, Relaxed);
            async move {
                // After a wait, so that the others are there by then.
                tokio::task::yield_now().await;
                assert!(call > 50, "on purpose");
                Ok(Secret::from("a.b.c"))
            }
        }
    });
    let house = House::with_credential(ManualClock::at(1_000), credential);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let graph = house.graph();
            tokio::spawn(async move { graph.acquire(Freshness::Cached).await })
        })
        .collect();
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("panicked"), "{error}");
    }
    calls.store(51, Relaxed);
    house.server.token("t1", 3_600);
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t1");
    assert!(house.server.requests().len() == 1);
}

/// Keeps the fields of every warning.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);

        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }

        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

// 10 and 14 (section 3.1)
#[tokio::test]
async fn a_renewal_that_fails_is_told_once_with_all_that_support_asks_for_and_no_secret() {
    let log = Log::default();
    let _log = tracing::subscriber::set_default(log.clone());
    let house = House::new();
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(1_801));
    house.server.answer(401, INVALID_SECRET);
    for _ in 0..5 {
        house.graph().acquire(Freshness::Cached).await.unwrap();
        settle().await;
    }
    let lines = log.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "token not renewed",
        "scope=\"https://graph.microsoft.com/.default\"",
        "codes=[7000215]",
        "status=401",
        "attempts=1",
        "took_ms=0",
        "correlation_id=\"",
        "AADSTS7000215",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(!lines[0].contains("canary"), "{}", lines[0]);
}

/// 75 (section 3.6): a caller that gives up leaves an error to nobody.
#[tokio::test]
async fn a_call_that_is_given_up_fails_nobody_and_its_token_is_there_for_the_next() {
    let house = House::new();
    let graph = house.graph();
    let given_up = tokio::spawn(async move { graph.acquire(Freshness::Cached).await.map(drop) });
    settle().await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    house.server.token("t1", 3_600);
    settle().await;
    let token = house.graph().acquire(Freshness::Cached).await.map_err(|error: Error| error.to_string());
    assert_eq!((token.unwrap().origin(), house.server.requests().len()), (TokenOrigin::Memory, 1));
}
