//! A real visit for each error of the pages of consent, over HTTPS, as a browser makes it.

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::world::{Answer, App, NOW, TENANT, World};
use crate::authority::error::Entry;
use crate::consent::error::{self, CATALOGUE};
use crate::store::GRAPH_APP_ID;

const BASE: &str = "https://localhost:8443";
const RETURN: &str = "https://app.example/connect";
const VISIT: &str = "5b3b4e0e-6a1c-4b7e-9d5b-2f0c6a7d8e9f";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const NOWHERE: &str = "77777777-7777-4777-8777-777777777777";

// authority 13, 14, AC-11, AC-13: each code of the pages by what a person in a browser does
#[tokio::test]
async fn every_error_of_the_pages_is_what_a_wrong_link_or_decision_meets() {
    for entry in CATALOGUE.iter().copied() {
        let mut browser = Browser::new().await;
        let page = browser.provoke(entry).await;
        let page = page.unwrap_or_else(|| panic!("nothing provokes {}", entry.code));
        match entry.code {
            65_004 => is_sent_back_with(entry, &page),
            _ => is_shown(entry, &page),
        }
    }
}

/// A browser with one cookie.
struct Browser {
    world: World,
    cookie: String,
}

impl Browser {
    async fn new() -> Self {
        Self { world: World::served().await, cookie: String::new() }
    }

    async fn provoke(&mut self, entry: &Entry) -> Option<Answer> {
        let graph = |role: &str| lists(GRAPH_APP_ID, role);
        let scope = |scope: &str| format!("&scope={}", encoded(scope));
        let default = scope("https://graph.microsoft.com/.default");
        let app = self.app(graph(USER_READ_ALL));
        let v1 = |tenant: &str, app: &App| link(&format!("{tenant}/adminconsent"), app);
        let v2 = |app: &App| link(&format!("{TENANT}/v2.0/adminconsent"), app);
        Some(match entry.code {
            50_011 => self.get(&v1(TENANT, &app).replace("app.example", "evil.example")).await,
            900_971 => self.get(&format!("/{TENANT}/adminconsent?client_id={}", app.client_id)).await,
            50_194 => self.get(&v1("common", &app)).await,
            9_002_332 => self.get(&v1("consumers", &app)).await,
            90_100 => self.get(&format!("{}&state={}", v1(TENANT, &app), "x".repeat(4_097))).await,
            70_011 => self.get(&(v2(&app) + &scope("https://graph.microsoft.com/User.Read.All"))).await,
            90_094 => {
                let path = v1(TENANT, &app);
                let page = self.sign_in(&path).await;
                self.put_the_administrator_to_sleep();
                self.submit(&path, &page, "accept", &[]).await
            }
            650_052 => {
                let lacking = self.app(lists(NOWHERE, USER_READ_ALL));
                self.sign_in(&v1(TENANT, &lacking)).await
            }
            650_053 => {
                let mistaken = self.app(graph(NOWHERE));
                self.sign_in(&v1(TENANT, &mistaken)).await
            }
            650_056 => {
                let silent = self.app(json!([]));
                self.sign_in(&(v2(&silent) + &default)).await
            }
            65_004 => {
                let path = v2(&app) + &default;
                let page = self.sign_in(&path).await;
                self.submit(&path, &page, "cancel", &[]).await
            }
            _ => return None,
        })
    }

    /// An application that has an address and lists permissions.
    fn app(&self, required: Value) -> App {
        let more = json!({ "web": { "redirectUris": [RETURN] }, "requiredResourceAccess": required });
        self.world.application("Reports", more)
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    /// Submits the form of a page that has an action.
    async fn submit(&mut self, path: &str, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let form = page.text.split("<form").find(|form| form.contains(&format!(r#"value="{action}""#)));
        let form = form.unwrap_or_else(|| panic!("{}", page.text));
        let token = form.split(r#"name="token" value=""#).nth(1).unwrap().split('"').next().unwrap();
        let mut body = Serializer::new(String::new());
        body.append_pair("action", action).append_pair("token", token).extend_pairs(fields);
        self.send(Method::POST, path, body.finish()).await
    }

    /// The page that a link leads to once the administrator has signed in.
    async fn sign_in(&mut self, path: &str) -> Answer {
        let entropy = unattended_core::SystemEntropy;
        let secret = self.world.store.renew_administrator_secret(TENANT, NOW, &entropy).unwrap();
        let fields = [("account", TENANT), ("password", secret.expose_text().unwrap())];
        let page = self.get(path).await;
        let sent_on = self.submit(path, &page, "sign-in", &fields).await;
        assert_eq!(sent_on.status, StatusCode::SEE_OTHER, "{}", sent_on.text);
        self.get(path).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, BASE)
            .header(COOKIE, &self.cookie)
            .header("client-request-id", VISIT);
        let answer = self.world.send(request.body(body.into()).unwrap()).await;
        if let Some(cookie) = answer.headers.get(SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        answer
    }

    fn put_the_administrator_to_sleep(&self) {
        let store = &self.world.store;
        let administrator = store.administrator_of(TENANT).unwrap().unwrap();
        let principal = store.service_principal_by_app_id(TENANT, administrator.app_id()).unwrap().unwrap();
        let app = App {
            client_id: administrator.app_id().to_owned(),
            object_id: administrator.id().to_owned(),
            principal_id: principal.id().to_owned(),
        };
        self.world.principal(&app, None, json!({ "accountEnabled": false }));
    }
}

/// A page says what is wrong, and which request it was; the browser goes nowhere.
#[track_caller]
fn is_shown(entry: &Entry, page: &Answer) {
    assert_eq!(page.status.as_u16(), entry.status, "{}", page.text);
    assert!(!page.headers.contains_key(LOCATION));
    let trace_id = page.headers["x-ms-request-id"].to_str().unwrap();
    assert!(uuid::Uuid::try_parse(trace_id).is_ok());
    let text = unescaped(&page.text);
    let message = text.split(&format!("<p><strong>AADSTS{}</strong>: ", entry.code)).nth(1);
    let message =
        message.unwrap_or_else(|| panic!("AADSTS{}: {text}", entry.code)).split("</p>").next().unwrap();
    super::catalogue::follows(entry, message);
    for (name, value) in [
        ("Trace ID", format!("<code>{trace_id}</code>")),
        ("Correlation ID", format!("<code>{VISIT}</code>")),
        ("Timestamp", "2025-10-13 14:54:34Z".into()),
    ] {
        assert!(text.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{name}: {text}");
    }
}

/// The application learns from the address what was decided, and which request it was.
#[track_caller]
fn is_sent_back_with(entry: &Entry, page: &Answer) {
    assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
    let address = url::Url::parse(page.headers[LOCATION].to_str().unwrap()).unwrap();
    assert!(address.as_str().starts_with(&format!("{RETURN}?")), "{address}");
    let value = |name: &str| address.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    assert_eq!(value("error"), entry.error);
    let trace_id = page.headers["x-ms-request-id"].to_str().unwrap();
    let description = value("error_description");
    let lines: Vec<&str> = description.split("\r\n").collect();
    let expected = [
        format!("AADSTS{}: {}", entry.code, entry.template),
        format!("Trace ID: {trace_id}"),
        format!("Correlation ID: {VISIT}"),
        "Timestamp: 2025-10-13 14:54:34Z".into(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(entry.code, error::DECLINED.code);
}

fn link(path: &str, app: &App) -> String {
    format!("/{path}?client_id={}&redirect_uri={}", app.client_id, encoded(RETURN))
}

fn lists(resource: &str, role: &str) -> Value {
    json!([{ "resourceAppId": resource, "resourceAccess": [{ "id": role, "type": "Role" }] }])
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn unescaped(html: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(html.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
