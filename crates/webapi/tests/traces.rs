//! What somebody who watches the calls gets to see.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};
use unattended_core::{HttpErrorKind, ManualClock};
use unattended_webapi::{BatchRequest, ClientBuilder, Traffic};

use crate::support::{Api, Tokens, bench, bench_with, broken, reply, status, throttled};

/// A span as an exporter of OpenTelemetry sees it: its name, the name of its parent, its fields.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    parent: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

#[derive(Clone, Default)]
struct Watching(Arc<Mutex<Vec<(Id, Seen)>>>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watching {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| Some(span.parent()?.name()));
        let mut seen = Seen { name: attributes.metadata().name(), parent, ..Seen::default() };
        attributes.record(&mut seen);
        self.0.lock().unwrap().push((id.clone(), seen));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        if let Some((_, seen)) = spans.iter_mut().rev().find(|(other, _)| other == id) {
            values.record(seen);
        }
    }
}

// TR-1
#[tokio::test]
async fn a_call_is_a_span_and_each_attempt_a_child_with_the_names_of_opentelemetry() {
    let watching = Watching::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(watching.clone()));
    let api =
        Api::answering([throttled(429, "1"), broken(HttpErrorKind::Interrupted), reply(200, &[], "{}")]);
    bench(&api).client.get("/users/1?$select=id&$filter=mail").send().await.unwrap();

    let spans: Vec<Seen> = watching.0.lock().unwrap().iter().map(|(_, seen)| seen.clone()).collect();
    let attempts: Vec<&Seen> = spans.iter().filter(|seen| seen.name == "attempt").collect();
    assert_eq!((spans[0].name, attempts.len()), ("call", 3), "{spans:?}");
    assert!(attempts.iter().all(|seen| seen.parent == Some("call")));
    let field = |name: &str| -> Vec<Option<&str>> {
        attempts.iter().map(|seen| seen.fields.get(name).map(String::as_str)).collect()
    };
    assert_eq!(field("http.request.resend_count"), [None, Some("1"), Some("2")]);
    assert_eq!(field("http.response.status_code"), [Some("429"), None, Some("200")]);
    assert_eq!(field("error.type"), [Some("429"), Some("connection"), None]);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("otel.kind", "client"),
        ("otel.name", "GET"),
        ("server.address", "graph.example"),
        ("url.full", "https://graph.example/v1.0/users/1?$select=id&$filter=[redacted]"),
    ] {
        assert_eq!(field(name), [Some(value); 3], "{name}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// TR-1
#[tokio::test]
async fn no_token_no_body_and_no_data_of_a_query_is_in_the_log_at_its_most_talkative() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let inner = json!({ "responses": [{ "id": "1", "status": 429, "headers": { "Retry-After": "1" },
        "body": { "error": { "message": "hunter2" } } }] });
    let api = Api::answering([
        status(401),
        throttled(429, "9"),
        reply(200, &[], r#"{"value":[{"secretText":"hunter2"}]}"#),
        reply(200, &[], inner.to_string()),
        reply(400, &[], "the token eyJhbGci.eyJzdWIi.c2ln failed"),
    ]);
    let client = bench(&api).client;
    client.pages("/users?$filter=mail eq 'hunter2'").next().await.unwrap();
    let write = BatchRequest::new("1", http::Method::POST, "/x?a=hunter2").json("hunter2");
    _ = client.batch(vec![write]).await.unwrap();
    _ = client.get("/x?code=hunter2").send().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("asking again") && text.contains("$filter=[redacted]"), "{text}");
    for never in ["token-0", "token-1", "eyJ", "hunter2"] {
        assert!(!text.contains(never), "{never} in {text}");
    }
}

// TR-1
#[tokio::test]
async fn what_the_calls_come_to_can_be_read() {
    let api = Api::answering([
        throttled(429, "9"),
        status(503),
        broken(HttpErrorKind::Interrupted),
        status(401),
        reply(200, &[("x-ms-throttle-limit-percentage", "0.7")], r#"{"value":[1,2,3]}"#),
        status(404),
    ]);
    let client = bench(&api).client;
    client.pages("/users").next().await.unwrap();
    client.get("/users/1").send().await.unwrap_err();

    let metrics = client.metrics();
    assert_eq!((metrics.succeeded, metrics.failed, metrics.pages, metrics.items), (1, 1, 1, 3));
    assert_eq!((metrics.bytes, metrics.replaced_tokens), (17, 1));
    let retries = &metrics.retries;
    assert_eq!((retries.throttled, retries.server, retries.connection, retries.token), (1, 1, 1, 0));
    assert!(metrics.gate_closed >= Duration::from_secs(9) && metrics.duration >= metrics.gate_closed);
    assert_eq!((metrics.durations[0], metrics.durations[14]), (1, 1), "{:?}", metrics.durations);
    let text = metrics.to_string();
    assert!(text.starts_with("calls 2, seconds ") && text.contains("repeated because throttled 1"), "{text}");
    assert!(text.ends_with("tokens replaced 1, seconds with the gate closed 9"), "{text}");
}

// TR-1
#[tokio::test]
async fn a_request_that_is_repeated_inside_a_batch_counts() {
    let inner = |code: u16| {
        let answer = json!({ "id": "1", "status": code, "headers": { "Retry-After": "1" }, "body": {} });
        reply(200, &[], json!({ "responses": [answer] }).to_string())
    };
    let api = Api::answering([inner(429), inner(204)]);
    let client = bench(&api).client;
    client.batch(vec![BatchRequest::new("1", http::Method::GET, "/users/1")]).await.unwrap();
    assert_eq!(client.metrics().retries.throttled, 1);
}

// TR-1
#[tokio::test]
async fn gates_that_are_closed_for_good_are_added_up_without_an_overflow() {
    let (api, traffic) = (Api::by(|_| throttled(429, "10000000000000000000")), Traffic::default());
    for tenant in ["a", "b"] {
        let of_tenant = |builder: ClientBuilder| builder.traffic(&traffic).identity(tenant, "app");
        let clock = ManualClock::self_advancing_at(1_800_000_000);
        let client = bench_with(&api, Tokens::default(), clock, of_tenant).client;
        client.get("/users/1").send().await.unwrap_err();
        assert!(client.metrics().gate_closed >= Duration::from_secs(10_000_000_000_000_000_000));
    }
}
