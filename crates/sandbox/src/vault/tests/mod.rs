//! The vault over its router, as a client sees it.

mod access;
mod certificates;
mod secrets;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use unattended_core::{Clock, ManualClock, SeededEntropy};
use unattended_protect::Validator;

use super::{Throttle, Vaults, audiences, by_host, router};
use crate::admission::Admission;
use crate::authority::{Origin, SigningKeys};
use crate::control::Control;
use crate::store::{Seed, Store, VAULT_APP_ID, VAULT_RESOURCE, vault};

const NOW: u64 = 1_800_000_000;
const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const OTHER_TENANT: &str = "22222222-2222-4333-8444-555555555555";
const CLIENT: &str = "33333333-2222-4333-8444-555555555555";
const PORT: u16 = 4430;
const IDS: &str = "https://contoso.vault.localhost:4430";

/// Two tenants with a vault each.
struct World {
    router: Router,
    store: Arc<Store>,
    control: Arc<Control>,
    clock: ManualClock,
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn error(&self) -> (&str, &str) {
        let text = |value: &'static str| self.body["error"][value].as_str().unwrap_or_default();
        (text("code"), text("message"))
    }

    /// The names at the end of the identifiers of a list.
    fn names(&self) -> Vec<&str> {
        let items = self.body["value"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Store::in_memory().unwrap());
        let entropy = Arc::new(SeededEntropy::new(7));
        for (id, name) in [(TENANT, "contoso"), (OTHER_TENANT, "fabrikam")] {
            let seed = Seed {
                tenant_id: id.into(),
                domain: format!("{name}.onmicrosoft.com"),
                display_name: name.into(),
                users: 0,
                people_seed: 42,
                now: NOW as i64,
                entropy: &*entropy,
            };
            store.seed(&seed).unwrap();
        }
        let origin = Origin::of_port(PORT);
        let mut validator = Validator::builder().any_tenant().keys(keys());
        for issuer in crate::authority::issuers(&origin) {
            validator = validator.issuer(issuer);
        }
        let clock = ManualClock::at(NOW);
        let control = Arc::new(Control::load(Arc::clone(&store), Arc::new(clock.clone())).unwrap());
        let vaults = Vaults {
            store: Arc::clone(&store),
            control: Arc::clone(&control),
            throttle: Throttle::default(),
            clock: control.clock(),
            entropy,
            admission: Admission::new(audiences(validator, &origin).build().unwrap()),
            origin,
        };
        let routes = Router::new().nest("/vault", router(Arc::new(vaults)));
        Self { router: by_host(routes), store, control, clock }
    }

    /// A vault in which the client has a role.
    fn with(role: &str) -> Self {
        let world = Self::new();
        world.grant(role);
        world
    }

    fn grant(&self, role: &str) {
        self.store.write(|transaction| vault::grant(transaction, TENANT, CLIENT, role)).unwrap();
    }

    fn token(&self) -> String {
        self.token_with(&json!({}))
    }

    /// A service principal that is in the tenant: that of the vault itself, which every tenant has.
    fn principal(&self, tenant: &str) -> String {
        self.store.service_principal_by_app_id(tenant, VAULT_APP_ID).unwrap().unwrap().id().to_owned()
    }

    /// A token with some claims replaced.
    fn token_with(&self, replaced: &Value) -> String {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "aud": VAULT_RESOURCE, "iss": format!("https://localhost:{PORT}/{TENANT}/"), "iat": now, "nbf": now,
            "exp": now + 3600, "tid": TENANT, "oid": self.principal(TENANT), "appid": CLIENT, "appidacr": "1", "ver": "1.0",
        });
        for (name, value) in replaced.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let keys = keys();
        let key = keys.current();
        key.sign(&json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid() }), &claims).unwrap()
    }

    async fn send(&self, request: Request) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Asks the vault by its path.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Reply {
        let version = if path.contains("api-version") {
            ""
        } else if path.contains('?') {
            "&api-version=7.4"
        } else {
            "?api-version=7.4"
        };
        let url = match path.starts_with("https://") {
            true => path.to_owned(),
            false => format!("https://localhost:{PORT}/vault/contoso{path}{version}"),
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token()))
            .header("content-type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, Value::Null).await
    }

    async fn set(&self, name: &str, value: &str) -> Value {
        self.ask("PUT", &format!("/secrets/{name}"), json!({ "value": value })).await.is(200).body
    }
}

/// One key for all tests: making one takes long.
fn keys() -> Arc<SigningKeys> {
    static KEYS: OnceLock<Arc<SigningKeys>> = OnceLock::new();
    let load = || {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        Arc::new(SigningKeys::load(&Store::in_memory().unwrap(), now).unwrap())
    };
    Arc::clone(KEYS.get_or_init(load))
}
