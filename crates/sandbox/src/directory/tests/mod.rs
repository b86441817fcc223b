//! The directory over its router, as a client sees it.

mod access;
mod applications;
mod assignments;
mod batch;
mod delays;
mod deleted_items;
mod delta;
mod etags;
mod extension_properties;
mod federated_credentials;
mod groups;
mod memberships;
mod pages;
mod permission_grants;
mod proof;
mod queries;
mod room;
mod search_and_expand;
mod throttling;
mod uploads;
mod users;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use unattended_core::{Clock, ManualClock, SeededEntropy, TenantId};
use unattended_protect::Validator;

use super::{Directory, Lag, Pages, Throttle, router};
use crate::admission::Admission;
use crate::authority::SigningKeys;
use crate::control::Control;
use crate::intake::Intake;
use crate::store::{GRAPH_APP_ID, Seed, Store};

const NOW: u64 = 1_800_000_000;
const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const ISSUER: &str = "https://localhost:4430/11111111-2222-4333-8444-555555555555/v2.0";
const BASE: &str = "https://localhost:4430/graph";

/// A tenant with an administrator, and its directory.
struct World {
    router: Router,
    store: Arc<Store>,
    control: Arc<Control>,
    clock: ManualClock,
    administrator: String,
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// One property of every object on the page.
    fn column(&self, property: &str) -> Vec<&str> {
        let objects = self.body["value"].as_array().unwrap();
        objects.iter().map(|object| object[property].as_str().unwrap_or_default()).collect()
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl World {
    fn new() -> Self {
        Self::with_users(0)
    }

    fn with_users(users: u32) -> Self {
        let store = Arc::new(Store::in_memory().unwrap());
        let clock = ManualClock::at(NOW);
        let entropy = Arc::new(SeededEntropy::new(7));
        let seed = Seed {
            tenant_id: TENANT.into(),
            domain: "contoso.onmicrosoft.com".into(),
            display_name: "Contoso".into(),
            users,
            people_seed: 42,
            now: NOW as i64,
            entropy: &*entropy,
        };
        store.seed(&seed).unwrap();
        let administrator = store.administrator().unwrap().unwrap();
        let administrator =
            store.service_principal_by_app_id(TENANT, administrator.app_id()).unwrap().unwrap();
        let validator = Validator::builder()
            .issuer(ISSUER)
            .audience(GRAPH_APP_ID)
            .tenant(TenantId::parse(TENANT).unwrap())
            .keys(keys())
            .build()
            .unwrap();
        let control = Arc::new(Control::load(Arc::clone(&store), Arc::new(clock.clone())).unwrap());
        let directory = Directory {
            store: Arc::clone(&store),
            clock: control.clock(),
            control: Arc::clone(&control),
            throttle: Throttle::default(),
            pages: Pages::default(),
            lag: Lag::default(),
            intake: Arc::new(Intake::new(control.clock())),
            entropy,
            admission: Arc::new(Admission::new(validator)),
            base_url: BASE.into(),
        };
        Self {
            router: router(Arc::new(directory)),
            store,
            control,
            clock,
            administrator: administrator.id().to_owned(),
        }
    }

    /// A token of the administrator's application with these permissions.
    fn token(&self, roles: &[&str]) -> String {
        self.token_with(&json!({ "roles": roles }))
    }

    /// A token with some claims replaced.
    fn token_with(&self, replaced: &Value) -> String {
        let administrator = self.store.administrator().unwrap().unwrap();
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "aud": GRAPH_APP_ID, "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 3600, "tid": TENANT,
            "oid": self.administrator, "sub": self.administrator, "azp": administrator.app_id(), "azpacr": "1",
            "idtyp": "app", "ver": "2.0",
        });
        for (name, value) in replaced.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let keys = keys();
        let key = keys.current();
        key.sign(&json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid() }), &claims).unwrap()
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) => Value::String(String::from_utf8(bytes.to_vec()).unwrap()),
        };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Reply {
        self.ask_with(token, method, path, body, &[]).await
    }

    async fn ask_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Asks with every permission.
    async fn all(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let token = self.token(&ALL);
        self.ask(&token, method, path, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.all(Method::GET, path, None).await
    }

    /// Asks as an advanced query.
    async fn get_eventual(&self, path: &str) -> Reply {
        let token = self.token(&ALL);
        self.ask_with(&token, Method::GET, path, None, &[("ConsistencyLevel", "eventual")]).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.all(Method::POST, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.all(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.all(Method::DELETE, path, None).await
    }

    async fn new_user(&self, name: &str) -> Reply {
        self.post("/v1.0/users", &user(name)).await
    }
}

const ALL: [&str; 5] = [
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.ReadWrite.All",
];

/// A new user as clients send it.
fn user(name: &str) -> Value {
    json!({
        "accountEnabled": true, "displayName": name, "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.onmicrosoft.com"),
        "passwordProfile": { "password": PASSWORD, "forceChangePasswordNextSignIn": true },
    })
}

const PASSWORD: &str = "Wadu7-tapir-Kloster";

/// One key for all tests: making one takes long.
fn keys() -> Arc<SigningKeys> {
    static KEYS: OnceLock<Arc<SigningKeys>> = OnceLock::new();
    let load = || {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        Arc::new(SigningKeys::load(&Store::in_memory().unwrap(), now).unwrap())
    };
    Arc::clone(KEYS.get_or_init(load))
}
