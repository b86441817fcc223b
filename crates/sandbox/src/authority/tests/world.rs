//! A tenant with a clock, and requests to its authority.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Map, Value, json};
use tower::ServiceExt;
use unattended_core::{Clock, Entropy, ManualClock, SeededEntropy, SystemEntropy};

use super::issuer::Internet;
use super::served::{self, PORT, Served};
use crate::authority::{Authority, Issuers, Limits, Origin, SigningKeys, router};
use crate::control::Control;
use crate::data_directory::DataDirectory;
use crate::sandbox::Prepared;
use crate::store::{
    FederatedCredential, Holder, KeyCredential, PasswordCredential, Seed, Store, Table, TrustedSubject,
    assignments, credentials, federation, objects, principals, trusted_subjects,
};

pub(super) const NOW: i64 = 1_760_367_274;
pub(super) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(super) const DOMAIN: &str = "contoso.onmicrosoft.com";
pub(super) const GRAPH: &str = "https://graph.microsoft.com/.default";

/// A tenant and its authority.
pub(super) struct World {
    pub(super) store: Arc<Store>,
    pub(super) clock: ManualClock,
    pub(super) control: Arc<Control>,
    pub(super) keys: Arc<SigningKeys>,
    /// What the authority finds when it looks for other issuers.
    pub(super) internet: Arc<Internet>,
    way: Way,
    entropy: Arc<dyn Entropy>,
}

/// How requests reach the authority.
enum Way {
    /// By a call.
    Router(Router),
    /// By HTTPS, through everything that stands before it.
    Served(Box<Served>),
}

/// An application and its service principal.
pub(super) struct App {
    pub(super) client_id: String,
    pub(super) object_id: String,
    pub(super) principal_id: String,
}

/// What the authority answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// The body as it came.
    pub(super) text: String,
}

impl World {
    pub(super) fn new() -> Self {
        let (clock, entropy, store) = seeded();
        let keys = Arc::new(SigningKeys::load(&store, clock.now()).unwrap());
        let control = Arc::new(Control::load(Arc::clone(&store), Arc::new(clock.clone())).unwrap());
        let internet = Arc::new(Internet::default());
        let authority = Authority {
            store: Arc::clone(&store),
            clock: control.clock(),
            control: Arc::clone(&control),
            entropy: Arc::clone(&entropy),
            origin: Origin::of_port(PORT),
            keys: Arc::clone(&keys),
            issuers: Issuers::new(Arc::clone(&internet) as _, control.clock()),
            limits: Limits::default(),
        };
        let way = Way::Router(router(Arc::new(authority)));
        Self { store, clock, control, keys, internet, way, entropy }
    }

    /// The same tenant in a whole sandbox that listens.
    pub(super) async fn served() -> Self {
        let (clock, entropy, store) = seeded();
        let internet = Arc::new(Internet::default());
        let directory = DataDirectory::temporary(&SystemEntropy).unwrap();
        let doors = served::doors(&directory);
        let authorities = served::authorities(&directory);
        let prepared = Prepared::assemble(
            directory,
            Arc::clone(&store),
            doors,
            Arc::new(clock.clone()),
            Arc::clone(&entropy),
            Arc::clone(&internet) as _,
            (0, 0),
        )
        .unwrap();
        let (control, keys) = (Arc::clone(&prepared.control), Arc::clone(&prepared.keys));
        let way = Way::Served(Box::new(Served::start(prepared, authorities).await));
        Self { store, clock, control, keys, internet, way, entropy }
    }

    /// Registers an application without a service principal.
    pub(super) fn application(&self, name: &str, more: Value) -> App {
        let [object_id, client_id] = [self.entropy.uuid(), self.entropy.uuid()];
        let mut document = object(json!({
            "id": object_id, "appId": client_id, "displayName": name, "signInAudience": "AzureADMyOrg",
        }));
        document.extend(object(more));
        let insert = |transaction: &rusqlite::Transaction<'_>| {
            objects::insert(transaction, Table::Applications, TENANT, &document)
        };
        self.store.write(insert).unwrap();
        App { client_id, object_id, principal_id: self.entropy.uuid() }
    }

    /// Registers an application with its service principal.
    pub(super) fn app(&self, name: &str) -> App {
        let app = self.application(name, json!({}));
        self.principal(&app, None, json!({ "displayName": name }));
        app
    }

    /// Makes or replaces what stands for an application in the tenant.
    pub(super) fn principal(&self, app: &App, version: Option<u8>, more: Value) {
        let mut document = object(json!({
            "id": app.principal_id, "appId": app.client_id, "accountEnabled": true,
            "servicePrincipalNames": [app.client_id],
        }));
        document.extend(object(more));
        let put = |transaction: &rusqlite::Transaction<'_>| {
            objects::delete(transaction, Table::ServicePrincipals, TENANT, &app.principal_id)?;
            principals::insert(transaction, TENANT, &document, version)
        };
        self.store.write(put).unwrap();
    }

    pub(super) fn assign(&self, client: &App, resource: &App, role: &str) {
        let principal =
            |app: &App| self.store.service_principal_by_app_id(TENANT, &app.client_id).unwrap().unwrap();
        let (client, resource) = (principal(client), principal(resource));
        let document = assignments::document((&*client).into(), &resource, role, self.now(), &*self.entropy);
        let insert = |transaction: &rusqlite::Transaction<'_>| {
            objects::insert(transaction, Table::AppRoleAssignments, TENANT, &document)
        };
        self.store.write(insert).unwrap();
    }

    /// Gives an application a secret for a time; returns its key id and the secret.
    pub(super) fn secret(&self, app: &App, starts_at: i64, ends_at: i64) -> (String, String) {
        let id = self.entropy.uuid();
        let (credential, secret) =
            PasswordCredential::generate(id.clone(), None, starts_at, ends_at).unwrap();
        self.store.add_password(TENANT, &app.object_id, &credential).unwrap();
        (id, secret.expose_text().unwrap().to_owned())
    }

    pub(super) fn remove_secret(&self, app: &App, key_id: &str) {
        let remove = |transaction: &rusqlite::Transaction<'_>| {
            credentials::delete_password(transaction, Holder::Application(&app.object_id), key_id)
        };
        assert!(self.store.write(remove).unwrap());
    }

    /// Registers a certificate for an application for a time.
    pub(super) fn certificate(&self, app: &App, der: &[u8], starts_at: i64, ends_at: i64) {
        let credential = KeyCredential::new(self.entropy.uuid(), None, der.to_vec(), starts_at, ends_at);
        let replace = |transaction: &rusqlite::Transaction<'_>| {
            credentials::replace_keys(transaction, TENANT, Holder::Application(&app.object_id), &[credential])
        };
        self.store.write(replace).unwrap();
    }

    /// Lets an application trust certificates by name and issuer.
    pub(super) fn trust(&self, app: &App, name: &str, authorities: &str, revoked: &[&str]) {
        let subject = TrustedSubject {
            subject_name: name.into(),
            certificate_authorities: authorities.into(),
            revoked_serial_numbers: revoked.iter().map(|it| (*it).to_owned()).collect(),
        };
        self.store.write(|it| trusted_subjects::put(it, &app.object_id, &subject)).unwrap();
    }

    /// Lets an application be represented by the tokens of another issuer.
    pub(super) fn federate(&self, app: &App, issuer: &str, subject: &str) {
        let credential = FederatedCredential {
            id: self.entropy.uuid(),
            name: self.entropy.uuid(),
            issuer: issuer.into(),
            subject: subject.into(),
            audiences: vec!["api://AzureADTokenExchange".into()],
            description: None,
            changed_at: self.now(),
        };
        self.store.write(|transaction| federation::put(transaction, &app.object_id, &credential)).unwrap();
    }

    /// Changes a setting.
    pub(super) fn set(&self, name: &str, value: &str) {
        self.control.set([(name, value)]).unwrap();
    }

    /// Asks the v2.0 endpoint for a token of Microsoft Graph by assertion.
    pub(super) async fn assert(&self, app: &App, assertion: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &app.client_id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", GRAPH),
        ];
        self.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = match &self.way {
            Way::Router(router) => router.clone().oneshot(request).await.unwrap(),
            Way::Served(served) => served.send(request).await.map(Body::new),
        };
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    /// Posts a form.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(format!("https://localhost:8443{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into());
        self.send(request.unwrap()).await
    }

    /// Asks the v2.0 endpoint for a token by secret.
    pub(super) async fn token(&self, app: &App, secret: &str, scope: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &app.client_id),
            ("client_secret", secret),
            ("scope", scope),
        ];
        self.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
    }
}

impl Answer {
    /// The error's number; zero for a success.
    pub(super) fn code(&self) -> u64 {
        self.body["error_codes"][0].as_u64().unwrap_or(0)
    }

    /// The claims of the issued token, unverified.
    pub(super) fn claims(&self) -> Value {
        self.part(1)
    }

    pub(super) fn part(&self, index: usize) -> Value {
        let token = self.body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {self:?}"));
        let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&part).unwrap()
    }
}

/// A store with a tenant, and what it was made with.
fn seeded() -> (ManualClock, Arc<dyn Entropy>, Arc<Store>) {
    let clock = ManualClock::at(NOW as u64);
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let store = Arc::new(Store::in_memory().unwrap());
    store
        .seed(&Seed {
            tenant_id: TENANT.into(),
            domain: DOMAIN.into(),
            display_name: "Contoso".into(),
            users: 0,
            people_seed: 0,
            now: NOW,
            entropy: &*entropy,
        })
        .unwrap();
    (clock, entropy, store)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}
