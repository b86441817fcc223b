//! A real request for each error of the catalogue, over HTTPS to a sandbox that listens.

use std::sync::LazyLock;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::certified::{Certified, Issuing, claims};
use super::issuer::{ISSUER, IssuerKey};
use super::mutual_tls;
use super::world::{Answer, App, GRAPH, NOW, TENANT, World};
use crate::authority::error::{self, Entry};

static KEY: LazyLock<Certified> = LazyLock::new(Certified::new);
static OTHER_KEY: LazyLock<Certified> = LazyLock::new(Certified::new);
static CA: LazyLock<Issuing> = LazyLock::new(|| Issuing::new("Contoso Root"));
static OTHER_CA: LazyLock<Issuing> = LazyLock::new(|| Issuing::new("Somebody's Root"));
static ISSUER_KEY: LazyLock<IssuerKey> = LazyLock::new(|| IssuerKey::new("2025-10"));

const NAME: &str = "daemon.contoso.com";
const SUBJECT: &str = "repo:contoso/export";

/// A world with every client that a mistake needs.
pub(super) struct Provocations {
    world: World,
    app: App,
    secret: String,
}

impl Provocations {
    pub(super) async fn new() -> Self {
        let world = World::served().await;
        let app = world.app("nightly export");
        let (_, secret) = world.secret(&app, NOW, NOW + 100_000);
        world.certificate(&app, &KEY.der, NOW - 10, NOW + 86_400);
        world.internet.publish(&[&ISSUER_KEY]);
        Self { world, app, secret }
    }

    /// What the authority answers to the mistake that the error is for; `None` if no request can make it.
    pub(super) async fn provoke(&self, entry: &'static Entry) -> Option<Answer> {
        let is = |other: &'static Entry| std::ptr::eq(entry, other);
        let (world, app, secret) = (&self.world, &self.app, self.secret.as_str());
        Some(match entry.code {
            90_002 if is(&error::METADATA_TENANT_NOT_FOUND) => {
                self.get(&format!("/{NOBODY}/v2.0/.well-known/openid-configuration")).await
            }
            90_002 => self.at(NOBODY).await,
            900_023 => self.at("not_a_tenant").await,
            900_021 => self.at("00000000-0000-0000-0000-000000000000").await,
            50_059 => self.at("organizations").await,
            9_001_023 => self.at("common").await,
            900_561 => self.get(&format!("/{TENANT}/oauth2/v2.0/token")).await,
            50_049 => self.discover("https://login.example/common/oauth2/v2.0/authorize").await,
            50_050 => self.discover("nowhere").await,

            700_016 => self.ask(&[("client_id", NOBODY), ("client_secret", secret)]).await,
            9_002_331 => {
                let app =
                    world.application("at home", json!({ "signInAudience": "PersonalMicrosoftAccount" }));
                world.principal(&app, None, json!({}));
                let (_, secret) = world.secret(&app, NOW, NOW + 100);
                world.token(&app, &secret, GRAPH).await
            }
            7_000_229 => {
                let app = world.application("without a principal", json!({}));
                let (_, secret) = world.secret(&app, NOW, NOW + 100);
                world.token(&app, &secret, GRAPH).await
            }
            7_000_112 => {
                let app = world.app("asleep");
                world.principal(&app, None, json!({ "accountEnabled": false, "displayName": "asleep" }));
                world.token(&app, secret, GRAPH).await
            }
            7_000_216 => self.ask(&[]).await,

            7_000_215 => self.ask(&[("client_secret", "wrong")]).await,
            7_000_222 => {
                let (_, expired) = world.secret(app, NOW - 100, NOW);
                world.token(app, &expired, GRAPH).await
            }
            700_027 if is(&error::CERTIFICATE_UNKNOWN) => world.assert(app, &OTHER_KEY.assertion(app)).await,
            700_027 => {
                let header = json!({ "alg": "PS256", "x5t#S256": KEY.thumbprint() });
                world.assert(app, &OTHER_KEY.sign(&header, &claims(app))).await
            }
            700_024 => self.assert_with(json!({ "exp": NOW - 600 })).await,
            700_023 => self.assert_with(json!({ "aud": "https://login.example" })).await,
            700_021 => self.assert_with(json!({ "iss": TENANT, "sub": TENANT })).await,
            50_048 => self.assert_with(json!({ "sub": TENANT })).await,
            50_027 => world.assert(app, "nonsense").await,
            5_002_730 => {
                let header = json!({ "alg": "HS256", "x5t#S256": KEY.thumbprint() });
                world.assert(app, &KEY.sign(&header, &claims(app))).await
            }
            1_000_502 => self.show(&CA.certify_until(NAME, "a.example", NOW - 1), &[]).await,
            50_012 => self.show(&OTHER_CA.certify(NAME, "a.example"), &[]).await,
            700_030 => self.show(&CA.certify("stranger", "b.example"), &[]).await,
            7_000_214 => self.show(&CA.certify(NAME, "a.example"), &["0AFF"]).await,

            51_000 => {
                world.set("mutual-tls", "off");
                let answer = mutual_tls::ask(world, app, Some(&KEY), &[]).await;
                world.set("mutual-tls", "on");
                answer
            }
            392_200 => mutual_tls::ask(world, app, None, &[]).await,
            392_189 => mutual_tls::ask(world, app, Some(&KEY), &[("client_secret", secret)]).await,
            500_181 => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let assertion = KEY.assertion(app);
                let form = [("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
                mutual_tls::ask(world, app, Some(&OTHER_KEY), &form).await
            }

            70_021 => world.assert(&world.app("not federated"), &token(json!({}))).await,
            700_211 => self.federated(json!({ "iss": "https://other.example" })).await,
            700_212 => self.federated(json!({ "aud": "api://other" })).await,
            700_213 => self.federated(json!({ "sub": "repo:contoso/other" })).await,
            7_002_138 => self.federated(json!({ "sub": SUBJECT.to_uppercase() })).await,
            900_384 => {
                let app = self.federation();
                world.assert(&app, &(token(json!({})) + "AAAA")).await
            }
            50_166 => {
                let app = world.app("nobody home");
                world.federate(&app, "https://nobody.example", SUBJECT);
                world.assert(&app, &token(json!({ "iss": "https://nobody.example" }))).await
            }
            700_229 => {
                let app = world.app("in the name of a user");
                let issuer = format!("https://localhost:8443/{TENANT}/v2.0");
                world.federate(&app, &issuer, SUBJECT);
                let key = world.keys.current();
                let claims = federated_claims(json!({ "iss": issuer, "scp": "User.Read" }));
                let header = json!({ "alg": "RS256", "kid": key.kid() });
                world.assert(&app, &key.sign(&header, &claims).unwrap()).await
            }

            900_144 => world.post(&format!("/{TENANT}/oauth2/v2.0/token"), &[]).await,
            70_011 => self.scope(&format!("{GRAPH} https://graph.microsoft.com/User.Read.All")).await,
            1_002_012 => self.scope("https://graph.microsoft.com/User.Read.All").await,
            700_022 => self.scope(&format!("{GRAPH} api://orders/.default")).await,
            901_002 => self.ask(&[("resource", "x"), ("client_secret", secret)]).await,
            500_011 => self.scope("api://nowhere/.default").await,
            500_014 => self.resource("asleep", json!({ "accountEnabled": false })).await,
            501_051 => self.resource("closed", json!({ "appRoleAssignmentRequired": true })).await,
            90_009 => {
                let names = json!({ "servicePrincipalNames": [app.client_id, "api://myself"] });
                world.principal(app, None, names);
                self.scope("api://myself/.default").await
            }

            9_002_313 => self.ask(&[("claims", "[]")]).await,
            70_003 => self.ask(&[("grant_type", "password")]).await,
            50_196 => {
                world.set("loop-rule", "on");
                let mut answer = world.token(app, secret, GRAPH).await;
                for _ in 0..15 {
                    answer = world.token(app, secret, GRAPH).await;
                }
                world.set("loop-rule", "off");
                answer
            }
            90_055 => {
                world.set("token-quota", "0");
                let answer = world.token(app, secret, GRAPH).await;
                world.set("token-quota", "off");
                answer
            }
            _ => return None,
        })
    }

    /// Fails the test unless the address in `error_uri` leads to a page about the code.
    pub(super) async fn is_explained(&self, entry: &Entry) {
        let page = self.get(&format!("/error?code={}", entry.code)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.starts_with(&format!("AADSTS{}: ", entry.code)), "{}", page.text);
    }

    /// The fault that no request makes: the database fails.
    pub(super) async fn break_the_store(&self) -> Answer {
        self.world
            .store
            .write(|it| {
                Ok::<_, crate::store::StoreError>(it.execute_batch("DROP TABLE password_credentials")?)
            })
            .unwrap();
        self.world.token(&self.app, &self.secret, GRAPH).await
    }

    async fn ask(&self, more: &[(&str, &str)]) -> Answer {
        let usual =
            [("grant_type", "client_credentials"), ("client_id", &*self.app.client_id), ("scope", GRAPH)];
        let mut form: Vec<(&str, &str)> = more.to_vec();
        form.extend(usual.iter().filter(|(name, _)| more.iter().all(|(given, _)| given != name)));
        self.world.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await
    }

    async fn scope(&self, scope: &str) -> Answer {
        self.ask(&[("scope", scope), ("client_secret", &self.secret)]).await
    }

    async fn at(&self, tenant: &str) -> Answer {
        self.world.post(&format!("/{tenant}/oauth2/v2.0/token"), &[]).await
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::builder().method(Method::GET).uri(format!("https://localhost:8443{path}"));
        self.world.send(request.body(Body::empty()).unwrap()).await
    }

    async fn discover(&self, endpoint: &str) -> Answer {
        let query = format!("api-version=1.1&authorization_endpoint={endpoint}");
        self.get(&format!("/common/discovery/instance?{query}")).await
    }

    /// An assertion whose claims are wrong.
    async fn assert_with(&self, changes: Value) -> Answer {
        let mut claims = claims(&self.app);
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = json!({ "alg": "PS256", "x5t#S256": KEY.thumbprint() });
        self.world.assert(&self.app, &KEY.sign(&header, &claims)).await
    }

    /// A certificate to an application that trusts one name.
    async fn show(&self, certificate: &Certified, revoked: &[&str]) -> Answer {
        let app = self.world.app("by name");
        self.world.trust(&app, NAME, &CA.pem, revoked);
        self.world.assert(&app, &certificate.assertion_with_x5c(&app)).await
    }

    fn federation(&self) -> App {
        let app = self.world.app("federated");
        self.world.federate(&app, ISSUER, SUBJECT);
        app
    }

    async fn federated(&self, changes: Value) -> Answer {
        self.world.assert(&self.federation(), &token(changes)).await
    }

    async fn resource(&self, name: &str, mut principal: Value) -> Answer {
        let api = self.world.application(name, json!({}));
        principal["servicePrincipalNames"] = json!([api.client_id, format!("api://{name}")]);
        self.world.principal(&api, None, principal);
        self.scope(&format!("api://{name}/.default")).await
    }
}

/// A GUID that names no tenant and no application here.
const NOBODY: &str = "99999999-9999-4999-8999-999999999999";

fn federated_claims(changes: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "sub": SUBJECT, "oid": SUBJECT, "aud": "api://AzureADTokenExchange",
        "nbf": NOW, "exp": NOW + 300 });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn token(changes: Value) -> String {
    ISSUER_KEY.sign(&federated_claims(changes))
}
