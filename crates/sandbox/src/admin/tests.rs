//! The API over its router, with a little of the sandbox behind it.

mod hostile;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use unattended_core::{Clock, Entropy, ManualClock, SeededEntropy, SystemEntropy};

use super::*;
use crate::data_directory::DataDirectory;
use crate::front::Front;
use crate::intake::Intake;
use crate::store::Store;

const BASE: &str = "https://localhost:8443";

/// A directory of three pages, an authority that says yes, and the front before them.
struct World {
    router: Router,
    clock: ManualClock,
    control: Arc<Control>,
    directory: Arc<DataDirectory>,
    token: String,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        let directory = Arc::new(DataDirectory::temporary(&SystemEntropy).unwrap());
        let store = Arc::new(Store::in_memory().unwrap());
        let clock = ManualClock::self_advancing_at(1_800_000_000);
        let control = Arc::new(Control::load(Arc::clone(&store), Arc::new(clock.clone())).unwrap());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let tenants = Tenants::new(&store, &directory, control.clock(), entropy);
        tenants.prepare(3, 1).unwrap();
        Snapshots::new(&store, &directory).take_start().unwrap();
        let stop = CancellationToken::new();
        let keys = Arc::new(SigningKeys::load(&store, control.clock().now()).unwrap());
        let front = Front {
            store: &store,
            directory: &directory,
            control: &control,
            tenants: &tenants,
            keys: &keys,
            intake: Arc::new(Intake::new(control.clock())),
            base: BASE.into(),
            stop: stop.clone(),
        };
        let routes = Router::new()
            .route("/graph/v1.0/users", get(page))
            .route("/t/oauth2/v2.0/token", post(async || axum::Json(json!({ "access_token": "x" }))));
        let router = front.build().unwrap().before(routes);
        let token = directory.read(DataDirectory::CONTROL_TOKEN).unwrap().unwrap();
        Self { router, clock, control, directory, token: String::from_utf8(token).unwrap(), stop }
    }

    async fn send(&self, request: Request) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/sandbox{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(if body.is_null() { Body::empty() } else { Body::from(body.to_string()) });
        let response = self.send(request.unwrap()).await;
        let (status, text) = (response.status(), text(response).await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn set(&self, changes: Value) {
        assert_eq!(self.ask(Method::PATCH, "/settings", changes).await.0, 200);
    }

    /// A read of the directory with a token.
    async fn get(&self, path: &str) -> Response {
        let request = Request::get(format!("{BASE}{path}")).header("authorization", "Bearer a.b.c");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn ask_for_token(&self, scope: &str) -> Response {
        let request = Request::post(format!("{BASE}/t/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("client_id=app&client_secret=S3CRET&scope={scope}")));
        self.send(request.unwrap()).await
    }

    async fn journal(&self) -> Vec<Value> {
        let text = match self.ask(Method::GET, "/journal", Value::Null).await.1 {
            Value::String(lines) => lines,
            one => one.to_string(),
        };
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn broken(&self, rule: &str) -> Vec<Value> {
        let (status, result) = self.ask(Method::POST, "/journal/check", json!({ "rules": [rule] })).await;
        assert_eq!(status, 200, "{result}");
        assert_eq!(result["kept"], result["broken"].as_array().unwrap().is_empty());
        result["broken"][0]["entries"].as_array().cloned().unwrap_or_default()
    }
}

async fn page(request: Request) -> axum::Json<Value> {
    let page: u32 = request
        .uri()
        .query()
        .and_then(|it| it.strip_prefix("$skiptoken="))
        .map_or(1, |it| it.parse().unwrap());
    let next = (page < 3).then(|| format!("{BASE}/graph/v1.0/users?$skiptoken={}", page + 1));
    let mut body = json!({ "value": [{ "id": page }] });
    if let Some(next) = next {
        body["@odata.nextLink"] = json!(next);
    }
    axum::Json(body)
}

async fn text(response: Response) -> Result<String, axum::Error> {
    Ok(String::from_utf8(to_bytes(response.into_body(), 1 << 20).await?.to_vec()).unwrap())
}

async fn body(response: Response) -> Value {
    serde_json::from_str(&text(response).await.unwrap()).unwrap()
}

#[tokio::test]
async fn only_the_control_token_opens_the_api() {
    let world = World::new();
    let doc: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    for (path, operations) in doc["paths"].as_object().unwrap() {
        let uri = format!("/sandbox{}", path.replace("{name}", "none"));
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for header in ["", "Bearer", "Bearer ", "Bearer x", &format!("Basic {}", world.token)] {
                let request = Request::builder().method(&method).uri(&uri).header("authorization", header);
                let response = world.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(response.status(), 401, "{method} {uri} {header}");
                assert!(response.headers().get("access-control-allow-origin").is_none());
            }
            // What is described is there.
            let (status, answer) =
                world.ask(method.clone(), &path.replace("{name}", "none"), Value::Null).await;
            assert_ne!(status, 405, "{method} {uri}");
            let is_missing_route = answer["error"]["message"] == "there is nothing here";
            assert!(!is_missing_route, "{method} {uri}");
        }
    }
    let open = world.send(Request::get("/sandbox/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(body(open).await, doc);
}

#[cfg(unix)]
#[tokio::test]
async fn the_control_token_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let file = world.directory.file(DataDirectory::CONTROL_TOKEN);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(world.token.len() >= 43);
}

#[tokio::test]
async fn settings_are_read_and_changed_and_a_wrong_one_changes_none() {
    let world = World::new();
    world.set(json!({ "consent-delay": "30s", "throttling-scale": 0.5, "loop-rule": true })).await;
    let (_, settings) = world.ask(Method::GET, "/settings", Value::Null).await;
    assert_eq!(settings["consent-delay"], "30s");
    assert_eq!((&settings["throttling-scale"], &settings["loop-rule"]), (&json!("0.5"), &json!("on")));
    let wrong = json!({ "consent-delay": "1s", "tokenlife": "1s" });
    let (status, error) = world.ask(Method::PATCH, "/settings", wrong).await;
    assert_eq!(
        (status, &error["error"]["hint"]),
        (StatusCode::BAD_REQUEST, &json!("did you mean `token-life`?"))
    );
    assert_eq!(world.control.settings().consent_delay, Duration::from_secs(30));
}

#[tokio::test]
async fn time_travels_by_a_length_and_to_a_moment() {
    let world = World::new();
    let (_, time) = world.ask(Method::POST, "/clock", json!({ "by": "8d" })).await;
    assert_eq!(time, json!({ "now": "2027-01-23T08:00:00.000Z", "clock-offset": "+8d" }));
    let (_, time) = world.ask(Method::POST, "/clock", json!({ "to": "2027-01-15T07:00:00Z" })).await;
    assert_eq!(time, json!({ "now": "2027-01-15T07:00:00.000Z", "clock-offset": "-1h" }));
    assert_eq!(world.ask(Method::POST, "/clock", json!({ "by": "soon" })).await.0, 400);
    assert_eq!(world.ask(Method::POST, "/clock", json!({ "to": "soon" })).await.0, 400);
}

#[tokio::test]
async fn the_journal_tells_who_asked_for_what_and_nothing_secret() {
    let world = World::new();
    world.ask_for_token("s").await;
    world.get("/graph/v1.0/users?$skiptoken=2").await;
    let journal = world.journal().await;
    assert_eq!(journal.len(), 2, "control is not in the journal");
    assert_eq!((&journal[0]["application"], &journal[0]["scope"]), (&json!("app"), &json!("s")));
    assert_eq!((&journal[1]["origin"], &journal[1]["query"]), (&json!(BASE), &json!(["$skiptoken"])));
    assert_eq!(
        (&journal[1]["status"], &journal[1]["time"]),
        (&json!(200), &json!("2027-01-15T08:00:00.000Z"))
    );
    assert!(!json!(journal).to_string().contains("S3CRET"));
    world.ask(Method::DELETE, "/journal", Value::Null).await;
    assert!(world.journal().await.is_empty());
}

#[tokio::test]
async fn a_followed_journal_tells_what_comes_and_ends_with_the_sandbox() {
    let world = World::new();
    world.get("/graph/v1.0/users").await;
    let request = Request::get("/sandbox/journal?follow=true")
        .header("authorization", format!("Bearer {}", world.token));
    let mut lines = world.send(request.body(Body::empty()).unwrap()).await.into_body().into_data_stream();
    let mut number = async || -> Option<Value> {
        let line = lines.next().await?.unwrap();
        Some(serde_json::from_slice::<Value>(&line).unwrap()["number"].clone())
    };
    assert_eq!(number().await, Some(json!(1)));
    world.get("/graph/v1.0/users").await;
    assert_eq!(number().await, Some(json!(2)));
    world.stop.cancel();
    assert_eq!(number().await, None);
}

#[tokio::test]
async fn rules_find_the_requests_that_break_them() {
    let world = World::new();
    for scope in ["a", "b", "a"] {
        world.ask_for_token(scope).await;
    }
    assert_eq!(world.broken("token-requests<=1").await.len(), 1);
    assert!(world.broken("token-requests<=2").await.is_empty());

    let fault = json!({ "kind": "throttled", "path": "/graph/v1.0/users" });
    assert_eq!(world.ask(Method::POST, "/faults", fault.clone()).await.0, 201);
    assert_eq!(world.get("/graph/v1.0/users").await.status(), 429);
    world.clock.advance(Duration::from_secs(1));
    world.get("/graph/v1.0/users").await;
    assert!(world.broken("no-early-retry").await.is_empty());
    world.ask(Method::POST, "/faults", fault).await;
    world.get("/graph/v1.0/users").await;
    world.clock.advance(Duration::from_millis(999));
    world.get("/graph/v1.0/users").await;
    let early = world.broken("no-early-retry").await;
    assert_eq!((early.len(), &early[0]["status"]), (1, &json!(200)));

    assert!(world.broken("no-token-to-foreign-origin").await.is_empty());
    world.get("/foreign-origin/graph/v1.0/users").await;
    assert_eq!(world.broken("no-token-to-foreign-origin").await.len(), 1);
    let (status, error) = world.ask(Method::POST, "/journal/check", json!({ "rules": ["be-nice"] })).await;
    assert_eq!(status, 400);
    assert!(error["error"]["message"].as_str().unwrap().contains("no-early-retry"));
}

/// What the next read of the first page meets.
async fn met(world: &World, kind: &str) -> Response {
    let (status, answer) = world.ask(Method::POST, "/faults", json!({ "kind": kind })).await;
    assert_eq!(status, 201, "{answer}");
    world.get("/graph/v1.0/users").await
}

// CH-1
#[tokio::test]
async fn every_fault_of_a_read_is_what_it_says() {
    let world = World::new();
    for (kind, status, code) in [
        ("throttled", 429, "TooManyRequests"),
        ("throttled-bare", 429, "TooManyRequests"),
        ("unavailable", 503, "serviceNotAvailable"),
        ("server-error", 500, "generalException"),
        ("gateway-timeout", 504, "gatewayTimeout"),
        ("error-in-success", 200, "generalException"),
    ] {
        let response = met(&world, kind).await;
        assert_eq!(response.status(), status, "{kind}");
        assert_eq!(body(response).await["error"]["code"], code, "{kind}");
    }
    assert_eq!(met(&world, "bad-gateway").await.headers()["content-type"], "text/html");

    let truncated = text(met(&world, "truncated-json").await).await.unwrap();
    assert!(serde_json::from_str::<Value>(&truncated).is_err() && truncated.starts_with('{'), "{truncated}");
    assert!(text(met(&world, "reset-in-body").await).await.is_err());
    let before = world.clock.elapsed();
    assert_eq!(body(met(&world, "slow-body").await).await["value"], json!([{ "id": 1 }]));
    assert!(world.clock.elapsed() - before >= Duration::from_millis(600));
    let before = world.clock.elapsed();
    assert_eq!(body(met(&world, "late").await).await["value"], json!([{ "id": 1 }]));
    assert!(world.clock.elapsed() - before >= Duration::from_secs(1));
    for kind in ["reset-before", "reset-after"] {
        assert!(met(&world, kind).await.extensions().get::<crate::faults::Reset>().is_some(), "{kind}");
        let last = world.journal().await.pop().unwrap();
        assert_eq!((last.get("status"), &last["fault"]), (None, &json!(kind)));
    }

    let next = |page: &Value| page["@odata.nextLink"].as_str().unwrap().trim_start_matches(BASE).to_owned();
    let first = body(met(&world, "duplicate-page").await).await;
    let again = body(world.get(&next(&first)).await).await;
    assert_eq!(first["value"], again["value"]);
    assert_eq!(next(&again), "/graph/v1.0/users?$skiptoken=2");
    assert_eq!(next(&body(met(&world, "loop").await).await), "/graph/v1.0/users");
    let foreign = body(met(&world, "foreign-link").await).await;
    assert_eq!(foreign["@odata.nextLink"], "https://127.0.0.1:8443/foreign-origin/graph/v1.0/users");
    for (kind, status) in [("gone", 410), ("expired-page", 400)] {
        world.ask(Method::POST, "/faults", json!({ "kind": kind })).await;
        assert_eq!(world.get("/graph/v1.0/users").await.status(), 200, "the first page has no token");
        assert_eq!(world.get("/graph/v1.0/users?$skiptoken=2").await.status(), status, "{kind}");
    }
    assert_eq!(world.ask(Method::GET, "/faults", Value::Null).await.1, json!({ "waiting": [] }));
}

// AC-12
#[tokio::test]
async fn the_authority_throttles_fails_and_hangs_up() {
    let world = World::new();
    for (kind, status, code) in
        [("throttled", 429, 90055), ("unavailable", 503, 90033), ("server-error", 500, 50000)]
    {
        world.ask(Method::POST, "/faults", json!({ "kind": kind, "path": "/t/" })).await;
        let response = world.ask_for_token("s").await;
        assert_eq!(
            (response.status().as_u16(), response.headers().contains_key("retry-after")),
            (status, status != 500)
        );
        let body = body(response).await;
        assert_eq!(body["error_codes"], json!([code]));
        let (description, trace) =
            (body["error_description"].as_str().unwrap(), body["trace_id"].as_str().unwrap());
        assert!(description.starts_with(&format!("AADSTS{code}: ")) && description.contains(trace));
    }
    world.ask(Method::POST, "/faults", json!({ "kind": "reset-before", "path": "/t/" })).await;
    assert!(world.ask_for_token("s").await.extensions().get::<crate::faults::Reset>().is_some());
    world.ask(Method::POST, "/faults", json!({ "kind": "slow-body", "path": "/t/" })).await;
    let before = world.clock.elapsed();
    assert_eq!(body(world.ask_for_token("s").await).await["access_token"], "x");
    assert!(world.clock.elapsed() > before);
}

#[tokio::test]
async fn latency_holds_every_answer_back() {
    let world = World::new();
    world.set(json!({ "latency": "250ms" })).await;
    world.get("/graph/v1.0/users").await;
    assert_eq!(world.journal().await[0]["duration_ms"], 250);
}

// CH-1
#[tokio::test]
async fn a_script_is_the_same_for_the_same_seed() {
    let run = async || {
        let world = World::new();
        world
            .set(json!({ "fault-rate": 0.5, "fault-seed": 42, "fault-kinds": "throttled,server-error" }))
            .await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(world.get("/graph/v1.0/users").await.status().as_u16());
        }
        world.ask(Method::DELETE, "/faults", Value::Null).await;
        for expected in &statuses {
            assert_eq!(world.get("/graph/v1.0/users").await.status(), *expected);
        }
        statuses
    };
    let statuses = run().await;
    assert_eq!(statuses, run().await);
    assert!([200, 429, 500].iter().all(|it| statuses.contains(it)), "{statuses:?}");
}

#[tokio::test]
async fn snapshots_take_settings_and_tenants_back() {
    let world = World::new();
    world.set(json!({ "consent-delay": "30s" })).await;
    assert_eq!(world.ask(Method::PUT, "/snapshots/delayed", Value::Null).await.0, 204);
    assert_eq!(world.ask(Method::POST, "/tenants", json!({ "name": "fabrikam" })).await.0, 201);
    world.set(json!({ "consent-delay": "1s" })).await;
    let tenants = async || {
        let (_, list) = world.ask(Method::GET, "/tenants", Value::Null).await;
        list["tenants"].as_array().unwrap().len()
    };
    assert_eq!(tenants().await, 2);
    assert_eq!(world.ask(Method::POST, "/snapshots/delayed/restore", Value::Null).await.0, 204);
    assert_eq!((tenants().await, world.control.settings().consent_delay), (1, Duration::from_secs(30)));
    world.get("/graph/v1.0/users").await;
    assert_eq!(world.ask(Method::POST, "/reset", Value::Null).await.0, 204);
    assert_eq!(*world.control.settings(), crate::control::Settings::default());
    assert!(world.journal().await.is_empty());
    let (_, list) = world.ask(Method::GET, "/snapshots", Value::Null).await;
    assert_eq!(list, json!({ "snapshots": ["delayed", "start"] }));
    assert_eq!(world.ask(Method::POST, "/snapshots/none/restore", Value::Null).await.0, 404);
    assert_eq!(world.ask(Method::PUT, "/snapshots/Not%20a%20name", Value::Null).await.0, 400);
    assert_eq!(world.ask(Method::POST, "/tenants", json!({ "name": "Not a name" })).await.0, 400);
}

// AC-9
#[tokio::test]
async fn keys_are_published_used_and_revoked() {
    let world = World::new();
    let states = |answer: &Value| -> Vec<String> {
        let keys = answer["keys"].as_array().unwrap();
        keys.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    };
    let (_, listed) = world.ask(Method::GET, "/keys", Value::Null).await;
    assert_eq!(states(&listed), ["active"]);
    let first = listed["keys"][0]["kid"].as_str().unwrap().to_owned();
    let (_, ahead) = world.ask(Method::POST, "/keys/prepublish", Value::Null).await;
    assert_eq!(states(&ahead), ["active", "next"]);
    let (_, rotated) = world.ask(Method::POST, "/keys/rotate", Value::Null).await;
    assert_eq!(states(&rotated), ["retired", "active"]);
    let (status, revoked) = world.ask(Method::POST, &format!("/keys/{first}/revoke"), Value::Null).await;
    assert_eq!((status.as_u16(), states(&revoked)), (200, vec!["revoked".to_owned(), "active".to_owned()]));
    assert_eq!(world.ask(Method::POST, "/keys/nobody/revoke", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_role_in_a_vault_is_granted_to_an_application_that_there_is_and_taken_again() {
    let world = World::new();
    let ask = async |method: Method, path: &str| world.ask(method, path, Value::Null).await;
    let (_, listed) = ask(Method::GET, "/vault/grants").await;
    let administrator = listed["grants"][0]["client_id"].as_str().unwrap().to_owned();
    assert_eq!(listed["grants"][0]["role"], "administrator");
    let path = format!("/vault/grants/{administrator}/secrets-user");
    let (status, grant) = ask(Method::PUT, &path).await;
    assert_eq!((status, &grant["title"]), (StatusCode::OK, &json!("Key Vault Secrets User")));
    assert_eq!(ask(Method::PUT, &format!("{path}?tenant=contoso.onmicrosoft.com")).await.0, 200);
    assert_eq!(ask(Method::GET, "/vault/grants").await.1["grants"].as_array().unwrap().len(), 2);
    assert_eq!(ask(Method::DELETE, &path).await.0, 204);
    assert_eq!(ask(Method::DELETE, &path).await.0, 404);
    for (wrong, status) in [
        (format!("/vault/grants/{administrator}/owner"), 400),
        ("/vault/grants/44444444-4444-4444-8444-444444444444/reader".into(), 404),
        (format!("{path}?tenant=nobody"), 404),
        (format!("{path}?whose=nobody"), 400),
    ] {
        let (found, refusal) = ask(Method::PUT, &wrong).await;
        assert_eq!(found, status, "{wrong}: {refusal}");
    }
}

// runtime S8: a managed identity is known without a registration
#[tokio::test]
async fn a_managed_identity_gets_a_role_in_the_vault_of_its_own_tenant() {
    let world = World::new();
    assert_eq!(world.ask(Method::POST, "/tenants", json!({ "name": "fabrikam" })).await.0, 201);
    let wish = json!({ "name": "reports", "userAssigned": true, "tenant": "fabrikam.onmicrosoft.com" });
    let (_, identity) = world.ask(Method::POST, "/identities", wish).await;
    let path = format!("/vault/grants/{}/secrets-user", identity["clientId"].as_str().unwrap());
    let (status, grant) = world.ask(Method::PUT, &path, Value::Null).await;
    assert_eq!((status, &grant["tenant_domain"]), (StatusCode::OK, &json!("fabrikam.onmicrosoft.com")));
}

// CH-1
#[tokio::test]
async fn a_fault_at_a_vault_has_the_shape_of_a_vaults_error() {
    let world = World::new();
    let fault = json!({ "kind": "throttled", "path": "/vault/contoso/secrets" });
    assert_eq!(world.ask(Method::POST, "/faults", fault).await.0, 201);
    let response = world.get("/vault/contoso/secrets/s?api-version=7.4").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert_eq!(body(response).await["error"]["code"], "Throttled");
}

#[tokio::test]
async fn a_fault_of_no_kind_for_no_path_or_no_request_is_refused() {
    let world = World::new();
    for fault in [
        json!({ "kind": "sabotage" }),
        json!({ "kind": "throttled", "path": "users" }),
        json!({ "kind": "throttled", "times": 0 }),
    ] {
        assert_eq!(world.ask(Method::POST, "/faults", fault.clone()).await.0, 400, "{fault}");
    }
    assert_eq!(world.ask(Method::GET, "/faults", Value::Null).await.1, json!({ "waiting": [] }));
}
