//! A small directory behind the HTTP port, with faults by the number of the call, and jobs against it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of it")]

mod dying_store;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use unattended_core::{
    Authorization, BoxFuture, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody, SystemEntropy,
    TokenDemand, TokenSource, TokenSourceError,
};
use unattended_jobs::{Engine, Export, Job, JobError, Provision, Report, SqliteStore, Unobserved, Work};
use unattended_webapi::{Client, RetryPolicy};

use self::dying_store::DyingStore;

pub const BASE: &str = "https://directory.test/v1.0";
pub const NOW: u64 = 1_790_000_000;

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The process dies before the call has any effect.
    DieBefore,
    /// The process dies after the call had its effect and before the answer is here.
    DieAfter,
    /// The call has its effect, and the connection breaks before the answer is here.
    BreakAfter,
    /// The server answers with this.
    Answer(u16, &'static str),
}

#[derive(Default)]
struct State {
    users: Vec<Map<String, Value>>,
    /// The newest so many users are not in lists yet.
    lag: usize,
    page_size: usize,
    calls: u64,
    writes: u64,
    faults: HashMap<u64, Fault>,
    /// What every call is answered with.
    refuse_all: Option<(u16, &'static str)>,
    /// What writes of one principal name are answered with.
    refuse: BTreeMap<String, (u16, &'static str)>,
    passwords: Vec<String>,
    panics: bool,
}

/// A directory of users.
pub struct Directory {
    state: Mutex<State>,
    pub died: Notify,
}

impl Directory {
    pub fn new(page_size: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { page_size, ..State::default() }), died: Notify::new() })
    }

    /// With this many users whose JSON has odd spacing, numbers and order.
    pub fn with_users(page_size: usize, users: usize) -> Arc<Self> {
        let directory = Self::new(page_size);
        for number in 0..users {
            let user = json!({"id": format!("id-{number}"), "displayName": format!("사람 {number}")});
            directory.state().users.push(user.as_object().cloned().unwrap());
        }
        directory
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn fail(&self, call: u64, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    pub fn refuse_all(&self, refusal: Option<(u16, &'static str)>) {
        self.state().refuse_all = refusal;
    }

    pub fn refuse(&self, name: &str, status: u16, code: &'static str) {
        self.state().refuse.insert(name.to_owned(), (status, code));
    }

    pub fn lag(&self, users: usize) {
        self.state().lag = users;
    }

    pub fn panic(&self, panics: bool) {
        self.state().panics = panics;
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    pub fn passwords(&self) -> Vec<String> {
        self.state().passwords.clone()
    }

    pub fn change(&self, name: &str, attribute: &str, value: Value) {
        let mut state = self.state();
        let user = state.users.iter_mut().find(|user| user["userPrincipalName"] == name).unwrap();
        user.insert(attribute.to_owned(), value);
    }

    /// The principal names, in the order in which they came to be.
    pub fn names(&self) -> Vec<String> {
        let name = |user: &Map<String, Value>| user["userPrincipalName"].as_str().unwrap().to_owned();
        self.state().users.iter().map(name).collect()
    }

    pub fn user(&self, name: &str) -> Value {
        let state = self.state();
        Value::from(state.users.iter().find(|user| user["userPrincipalName"] == name).unwrap().clone())
    }

    pub fn client(self: &Arc<Self>, policy: RetryPolicy) -> Client {
        Client::builder(BASE)
            .token_source(Arc::new(Token))
            .http(Arc::clone(self) as Arc<dyn HttpClient>)
            .clock(Arc::new(ManualClock::at(NOW)))
            .entropy(Arc::new(SystemEntropy))
            .retry(policy)
            .build()
            .unwrap()
    }

    pub fn provision(self: &Arc<Self>, directory: &Path) -> Job {
        job(
            "people",
            Work::Provision(Provision {
                client: self.client(RetryPolicy::never()),
                resource: "/users".to_owned(),
                source: directory.join("people.csv"),
                match_on: "userPrincipalName".to_owned(),
                rejects: directory.join("rejects.ndjson"),
            }),
        )
    }

    pub fn export(self: &Arc<Self>, directory: &Path) -> Job {
        job(
            "users-export",
            Work::Export(Export {
                client: self.client(RetryPolicy::never()),
                read: "/users?$select=id,displayName".to_owned(),
                to: directory.join("users.ndjson"),
            }),
        )
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<ResponseBody> {
        let mut state = self.state();
        assert!(!state.panics, "the directory of this test panics");
        if let Some((status, code)) = state.refuse_all {
            return respond(status, &error_body(code));
        }
        let path = request.uri().path().strip_prefix("/v1.0").unwrap().to_owned();
        let query: HashMap<String, String> = request
            .uri()
            .query()
            .unwrap_or("")
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        match (request.method().as_str(), path.as_str()) {
            ("GET", "/users") => list(&state, &query),
            ("GET", user) => {
                let name = user.strip_prefix("/users/").unwrap().replace("%40", "@");
                match state.users.iter().find(|user| is_named(user, &name)) {
                    Some(user) => respond(200, &Value::from(user.clone()).to_string()),
                    None => respond(404, &error_body("Request_ResourceNotFound")),
                }
            }
            ("POST", "/$batch") => {
                let batch: Value = serde_json::from_slice(request.body()).unwrap();
                let requests = batch["requests"].as_array().unwrap();
                assert!(requests.len() <= 20);
                // In any order.
                let responses: Vec<Value> = requests.iter().rev().map(|item| state.write(item)).collect();
                respond(200, &json!({ "responses": responses }).to_string())
            }
            other => panic!("nobody serves {other:?}"),
        }
    }
}

impl State {
    fn write(&mut self, item: &Value) -> Value {
        self.writes += 1;
        let body = item["body"].as_object().unwrap();
        let refusal = |status: u16, code: &str| {
            let body: Value = serde_json::from_str(&error_body(code)).unwrap();
            json!({"id": item["id"], "status": status, "headers": {}, "body": body})
        };
        if item["method"] == "PATCH" {
            let id = item["url"].as_str().unwrap().strip_prefix("/users/").unwrap();
            let Some(user) = self.users.iter_mut().find(|user| user["id"] == id) else {
                return refusal(404, "Request_ResourceNotFound");
            };
            user.extend(body.clone());
            return json!({"id": item["id"], "status": 204, "headers": {}});
        }
        let name = body["userPrincipalName"].as_str().unwrap().to_owned();
        if let Some((status, code)) = self.refuse.get(&name) {
            return refusal(*status, code);
        }
        if self.users.iter().any(|user| is_named(user, &name)) {
            return refusal(400, "Request_BadRequest");
        }
        for required in ["displayName", "mailNickname", "accountEnabled", "passwordProfile"] {
            assert!(body.contains_key(required), "a directory demands {required}");
        }
        let mut user = body.clone();
        let profile = user.remove("passwordProfile").unwrap();
        assert_eq!(profile["forceChangePasswordNextSignIn"], true);
        self.passwords.push(profile["password"].as_str().unwrap().to_owned());
        user.insert("id".to_owned(), json!(format!("id-{}", self.users.len())));
        self.users.push(user.clone());
        json!({"id": item["id"], "status": 201, "headers": {"request-id": "r"}, "body": user})
    }
}

fn is_named(user: &Map<String, Value>, name: &str) -> bool {
    user.get("userPrincipalName")
        .and_then(Value::as_str)
        .is_some_and(|known| known.eq_ignore_ascii_case(name))
}

fn list(state: &State, query: &HashMap<String, String>) -> Response<ResponseBody> {
    let select: Vec<&str> = query["$select"].split(',').collect();
    let visible = state.users.len() - state.lag.min(state.users.len());
    let start: usize = query.get("$skiptoken").map_or(0, |token| token.parse().unwrap());
    let end = (start + state.page_size).min(visible);
    let items: Vec<String> = state.users[start.min(end)..end]
        .iter()
        .map(|user| {
            let fields: Vec<String> = select
                .iter()
                .rev()
                .filter_map(|name| Some(format!("\"{name}\" :\n  {}", user.get(*name)?)))
                .collect();
            format!("{{ {}, \"weight\":1.50e1}}", fields.join(","))
        })
        .collect();
    let next = if end < visible {
        let select = &query["$select"];
        format!("\"@odata.nextLink\":\"{BASE}/users?$select={select}&$skiptoken={end}\",")
    } else {
        String::new()
    };
    respond(200, &format!("{{{next}\"value\":[{}]}}", items.join(",\n")))
}

fn respond(status: u16, body: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

fn error_body(code: &str) -> String {
    json!({"error": {"code": code, "message": format!("the directory says {code}")}}).to_string()
}

impl HttpClient for Directory {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        Box::pin(async move {
            let fault = {
                let mut state = self.state();
                state.calls += 1;
                let call = state.calls;
                state.faults.get(&call).cloned()
            };
            match fault {
                None => Ok(self.answer(&request)),
                Some(Fault::Answer(status, code)) => Ok(respond(status, &error_body(code))),
                Some(Fault::BreakAfter) => {
                    self.answer(&request);
                    Err(HttpError::new(HttpErrorKind::Interrupted, "the test broke it"))
                }
                Some(fault) => {
                    if matches!(fault, Fault::DieAfter) {
                        self.answer(&request);
                    }
                    self.died.notify_one();
                    std::future::pending().await
                }
            }
        })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

#[derive(Debug)]
struct Token;

impl TokenSource for Token {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("test").unwrap()) })
    }
}

fn job(name: &str, work: Work) -> Job {
    Job { name: name.to_owned(), tenant: "contoso.com".to_owned(), schedule: None, work }
}

/// An engine as a new process has it, on the state of this directory.
pub fn engine(directory: &Path) -> Engine {
    engine_at(directory, &ManualClock::at(NOW))
}

pub fn engine_at(directory: &Path, clock: &ManualClock) -> Engine {
    let store = SqliteStore::open(&directory.join("state/state.db")).unwrap();
    Engine::new(Arc::new(store), Arc::new(clock.clone()), Arc::new(SystemEntropy))
}

pub async fn run(directory: &Path, job: &Job) -> Result<Report, JobError> {
    engine(directory).run_now(job, &Unobserved, CancellationToken::new()).await
}

/// Runs until the end, or until the directory says that the process has died.
pub async fn run_or_die(directory: &Path, job: &Job, server: &Directory) -> Option<Result<Report, JobError>> {
    tokio::select! {
        biased;
        result = run(directory, job) => Some(result),
        () = server.died.notified() => None,
    }
}

/// The same, dying in a call of the store.
pub async fn run_or_die_in_store(
    directory: &Path,
    job: &Job,
    call: u64,
    fault: Fault,
) -> Option<Result<Report, JobError>> {
    let died = Arc::new(Notify::new());
    let store = SqliteStore::open(&directory.join("state/state.db")).unwrap();
    let store = DyingStore::new(Arc::new(store), call, fault, Arc::clone(&died));
    let engine = Engine::new(Arc::new(store), Arc::new(ManualClock::at(NOW)), Arc::new(SystemEntropy));
    tokio::select! {
        biased;
        result = engine.run_now(job, &Unobserved, CancellationToken::new()) => Some(result),
        () = died.notified() => None,
    }
}

/// A file of people; the first is the header's line 1.
pub fn write_people(directory: &Path, count: usize) {
    let mut text = "userPrincipalName,displayName,jobTitle\n".to_owned();
    for number in 0..count {
        text.push_str(&format!("user{number}@contoso.com,\"User, {number}\",Engineer\n"));
    }
    std::fs::write(directory.join("people.csv"), text).unwrap();
}

/// Every byte below a directory.
pub fn everything_in(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { everything_in(&path) } else { std::fs::read(path).unwrap() });
    }
    bytes
}
