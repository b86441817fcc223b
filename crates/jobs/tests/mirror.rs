//! Exports of a delta query: a file that follows a collection, and processes that die on the way.

mod support;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use unattended_core::{
    Authorization, BoxFuture, HttpClient, HttpError, ManualClock, ResponseBody, TokenDemand, TokenSource,
    TokenSourceError,
};
use unattended_jobs::{Export, Job, JobError, Report, Unobserved, Work};
use unattended_webapi::{Client, RetryPolicy};

use support::{BASE, Fault, engine, run, run_or_die_in_store};

/// A collection with versions: every object has the number of its last change.
struct Changing {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, (u64, Option<Value>)>,
    version: u64,
    calls: u64,
    /// The call in which the process dies, after its effect.
    dies_in: Option<u64>,
    /// Links older than this are gone.
    oldest: u64,
}

impl Changing {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), died: Notify::new() })
    }

    fn set(&self, id: &str, user: Option<Value>) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        state.users.insert(id.to_owned(), (version, user));
    }

    fn die_in(&self, call: Option<u64>) {
        let mut state = self.state.lock().unwrap();
        state.dies_in = call.map(|call| state.calls + call);
    }

    fn forget_links(&self) {
        let mut state = self.state.lock().unwrap();
        state.oldest = state.version + 1;
        state.version += 1;
    }

    fn job(self: &Arc<Self>, directory: &Path, read: &str) -> Job {
        let client = Client::builder(BASE)
            .http(Arc::new(Port(Arc::clone(self))))
            .token_source(Arc::new(Token))
            .clock(Arc::new(ManualClock::at(support::NOW)))
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let work = Work::Export(Export { client, read: read.to_owned(), to: directory.join("users.ndjson") });
        Job { name: "mirror".to_owned(), tenant: "contoso.com".to_owned(), schedule: None, work }
    }

    /// What the file is when everything has arrived, whatever the order.
    fn expected(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.users.values().filter_map(|(_, user)| user.clone()).collect()
    }

    fn answer(&self, query: &str) -> Response<ResponseBody> {
        let state = self.state.lock().unwrap();
        let number = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
            value.parse::<u64>().ok()
        };
        let since = number("since=").unwrap_or(0);
        if since < state.oldest && since > 0 {
            return respond(410, &json!({"error": {"code": "resyncRequired"}}));
        }
        let until = number("until=").unwrap_or(state.version);
        let below = number("below=").unwrap_or(u64::MAX);
        let mut changed: Vec<(&String, &(u64, Option<Value>))> = state
            .users
            .iter()
            .filter(|(_, (version, _))| *version > since && *version <= until && *version < below)
            .collect();
        // Not in the order of ids, and the first of a page comes twice.
        changed.sort_by_key(|(_, (version, _))| std::cmp::Reverse(*version));
        let page = &changed[..changed.len().min(2)];
        let mut items: Vec<Value> = page
            .iter()
            .filter(|(_, (_, user))| user.is_some() || since > 0)
            .map(|(id, (_, user))| match user {
                Some(user) => user.clone(),
                None => json!({"id": id, "@removed": {"reason": "deleted"}}),
            })
            .collect();
        items.extend(items.first().cloned());
        let link = |query: String| json!(format!("{BASE}/users/delta?{query}"));
        let mut body = json!({ "value": items });
        if changed.len() > 2 {
            body["@odata.nextLink"] = link(format!("since={since}&until={until}&below={}", changed[1].1.0));
        } else {
            body["@odata.deltaLink"] = link(format!("since={until}"));
        }
        respond(200, &body)
    }
}

fn respond(status: u16, body: &Value) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

struct Port(Arc<Changing>);

impl HttpClient for Port {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let answer = self.0.answer(request.uri().query().unwrap_or_default());
            let dies = {
                let mut state = self.0.state.lock().unwrap();
                state.calls += 1;
                state.dies_in == Some(state.calls)
            };
            if dies {
                self.0.died.notify_one();
                return std::future::pending().await;
            }
            Ok(answer)
        })
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Port")
    }
}

#[derive(Debug)]
struct Token;

impl TokenSource for Token {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("test").unwrap()) })
    }
}

const READ: &str = "/users/delta?$select=id,name";

fn user(number: usize, name: &str) -> Value {
    json!({"id": format!("id-{number}"), "name": name})
}

/// What stands in the file, by id; each id once.
fn written(directory: &Path) -> Vec<Value> {
    for left in ["users.ndjson.changes", "users.ndjson.new"] {
        assert!(!directory.join(left).exists(), "{left} is left");
    }
    let text = std::fs::read_to_string(directory.join("users.ndjson")).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|user| user["id"].to_string());
    lines
}

async fn run_or_die(directory: &Path, job: &Job, server: &Changing) -> Option<Result<Report, JobError>> {
    let engine = engine(directory);
    tokio::select! {
        biased;
        result = engine.run_now(job, &Unobserved, CancellationToken::new()) => Some(result),
        () = server.died.notified() => None,
    }
}

/// Ten users, and then changes of every kind.
fn first(server: &Changing) {
    (0..10).for_each(|number| server.set(&format!("id-{number}"), Some(user(number, "first"))));
}

fn second(server: &Changing) {
    server.set("id-3", Some(user(3, "second")));
    server.set("id-4", None);
    server.set("id-7", Some(json!({"id": "id-7", "name": null})));
    (10..13).for_each(|number| server.set(&format!("id-{number}"), Some(user(number, "new"))));
}

// DL-1, DL-3, DL-4
#[tokio::test]
async fn a_file_follows_a_collection_by_its_changes() {
    let directory = tempfile::tempdir().unwrap();
    let server = Changing::new();
    let job = server.job(directory.path(), READ);
    first(&server);
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((written(directory.path()), report.pages), (server.expected(), 5));
    second(&server);
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((written(directory.path()), report.pages), (server.expected(), 3));
    assert!(report.restarted.is_none() && report.is_success());
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!((written(directory.path()), report.pages, report.items), (server.expected(), 1, 0));
}

// DL-1
#[tokio::test]
async fn a_process_killed_in_any_call_loses_no_change() {
    for call in 1..=8 {
        let directory = tempfile::tempdir().unwrap();
        let server = Changing::new();
        let job = server.job(directory.path(), READ);
        first(&server);
        server.die_in(Some(call));
        if run_or_die(directory.path(), &job, &server).await.is_none() {
            run(directory.path(), &job).await.unwrap();
        }
        second(&server);
        while run_or_die(directory.path(), &job, &server).await.is_none() {}
        server.die_in(None);
        run(directory.path(), &job).await.unwrap();
        assert_eq!(written(directory.path()), server.expected(), "killed in call {call}");
    }
}

// DL-1
#[tokio::test]
async fn a_process_killed_in_any_call_of_the_store_loses_no_change() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for call in 1.. {
            let directory = tempfile::tempdir().unwrap();
            let server = Changing::new();
            let job = server.job(directory.path(), READ);
            first(&server);
            run(directory.path(), &job).await.unwrap();
            second(&server);
            let is_undisturbed =
                run_or_die_in_store(directory.path(), &job, call, fault.clone()).await.is_some();
            // What happens between the death and the next life is not lost either.
            server.set("id-5", None);
            let report = run(directory.path(), &job).await.unwrap();
            assert!(report.restarted.is_none(), "{:?}", report.restarted);
            run(directory.path(), &job).await.unwrap();
            assert_eq!(written(directory.path()), server.expected(), "{fault:?} {call}");
            if is_undisturbed {
                assert_eq!(call, 11, "hold, begin, checkpoint, anew, memory, three pages, merged, finish");
                break;
            }
        }
    }
}

// DL-2
#[tokio::test]
async fn when_the_link_is_lost_the_whole_collection_replaces_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = Changing::new();
    let job = server.job(directory.path(), READ);
    first(&server);
    run(directory.path(), &job).await.unwrap();
    second(&server);
    server.forget_links();
    // Killed in the middle of it, too.
    server.die_in(Some(3));
    let ended = run_or_die(directory.path(), &job, &server).await;
    assert!(ended.is_none(), "{ended:?}");
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!(written(directory.path()), server.expected());
    assert!(report.resumed);
    server.set("id-0", None);
    assert_eq!(run(directory.path(), &job).await.unwrap().pages, 1);
    assert_eq!(written(directory.path()), server.expected());
}

// DL-6
#[tokio::test]
async fn another_query_and_a_file_that_was_touched_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let server = Changing::new();
    first(&server);
    run(directory.path(), &server.job(directory.path(), READ)).await.unwrap();
    let other = server.job(directory.path(), "/users/delta?$select=id,name,mail");
    let report = run(directory.path(), &other).await.unwrap();
    assert_eq!(report.restarted.as_deref(), Some("it reads something else now"));
    assert_eq!((written(directory.path()), report.pages), (server.expected(), 5));

    std::fs::write(directory.path().join("users.ndjson"), "").unwrap();
    let report = run(directory.path(), &other).await.unwrap();
    assert_eq!(report.restarted.as_deref(), Some("the file is not as it was left"));
    assert_eq!(written(directory.path()), server.expected());
}
