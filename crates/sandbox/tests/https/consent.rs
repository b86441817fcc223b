//! The pages of an administrator's consent, as a browser without a screen uses them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder};
use serde_json::{Value, json};
use unattended_sandbox::{Administrator, Ready, RunningSandbox};
use url::Url;

use crate::{administrator_token, builder, clock, start};

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const GROUP_READ_ALL: &str = "5b567255-7703-4780-807c-7be8301ae99b";
const RETURN: &str = "https://app.example/connect";

/// A browser: it keeps cookies, and goes where it is sent only when told.
struct Browser {
    client: reqwest::Client,
    base: String,
    cookies: HashMap<String, String>,
}

/// A page, or a redirect.
struct Page {
    status: StatusCode,
    headers: http::HeaderMap,
    url: String,
    html: String,
}

impl Browser {
    fn new(ready: &Ready) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(20));
        Self { client: client.build().unwrap(), base: ready.authority.clone(), cookies: HashMap::new() }
    }

    async fn get(&mut self, path: &str) -> Page {
        let url = format!("{}{path}", self.base);
        self.send(self.client.get(&url), url).await
    }

    /// Submits a form of a page, with its hidden fields.
    async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let token = page.token_of(action);
        self.post(&page.url, action, &token, fields).await
    }

    async fn post(&mut self, url: &str, action: &str, token: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = vec![("action", action), ("token", token)];
        form.extend_from_slice(fields);
        let request = self.client.post(url).header(ORIGIN, &self.base).form(&form);
        self.send(request, url.to_owned()).await
    }

    async fn send(&mut self, mut request: RequestBuilder, url: String) -> Page {
        for (name, value) in &self.cookies {
            request = request.header(COOKIE, format!("{name}={value}"));
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page { status, headers, url, html: response.text().await.unwrap() }
    }

    /// Opens a link, signs in to a tenant, and returns the page that lists the permissions.
    async fn sign_in(&mut self, link: &str, tenant: &str, administrator: &Administrator) -> Page {
        let page = self.get(link).await;
        assert!(page.html.contains("<h1>Sign in</h1>"), "{}", page.html);
        let secret = std::fs::read_to_string(&administrator.secret_file).unwrap();
        let fields = [("account", tenant), ("password", secret.as_str())];
        let answer = self.submit(&page, "sign-in", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.html);
        let next = Url::parse(&page.url).unwrap().join(&answer.location()).unwrap();
        assert_eq!(next.as_str(), Url::parse(&page.url).unwrap().as_str());
        self.get(link).await
    }
}

impl Page {
    fn location(&self) -> String {
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }

    /// The hidden token of the form with an action.
    fn token_of(&self, action: &str) -> String {
        let forms = self.html.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap());
        let marker = format!(r#"value="{action}""#);
        let form =
            forms.into_iter().find(|form| form.contains(&marker)).unwrap_or_else(|| panic!("{}", self.html));
        let rest = form.split(r#"name="token" value=""#).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Where it leads, and with which parameters.
    fn answer(&self) -> (String, Vec<(String, String)>) {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.html);
        let location = self.location();
        assert!(location.ends_with('#'), "{location}");
        let url = Url::parse(&location).unwrap();
        let place = location.split('?').next().unwrap().to_owned();
        (place, url.query_pairs().into_owned().collect())
    }

    #[track_caller]
    fn is_error(&self, code: u32) {
        assert_eq!(self.status, StatusCode::BAD_REQUEST, "{}", self.html);
        assert!(self.headers.get(LOCATION).is_none());
        assert!(self.html.contains(&format!("<strong>AADSTS{code}</strong>")), "{}", self.html);
        for part in ["Trace ID", "Correlation ID", "Timestamp"] {
            assert!(self.html.contains(part), "{}", self.html);
        }
    }
}

/// A tenant's directory API, used by its administrator.
struct Directory {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Directory {
    async fn of(ready: &Ready) -> Self {
        let answer = administrator_token(ready).await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { client: crate::client(ready), base: ready.graph.clone(), token }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    async fn patch(&self, path: &str, body: Value) {
        let request = self.client.patch(format!("{}/{path}", self.base)).bearer_auth(&self.token).json(&body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn delete(&self, path: &str) {
        let request = self.client.delete(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Registers an application that lists permissions and has an address.
    async fn register(&self, more: Value) -> Value {
        let mut application = json!({
            "displayName": "Reports",
            "web": { "redirectUris": [RETURN] },
            "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
                { "id": USER_READ_ALL, "type": "Role" },
                { "id": GROUP_READ_ALL, "type": "Role" },
            ] }],
        });
        for (name, value) in more.as_object().unwrap() {
            application[name] = value.clone();
        }
        self.post("applications", application).await
    }

    /// What stands for an application in the tenant, with how many roles it holds.
    async fn principal(&self, client_id: &str) -> Option<(Value, usize)> {
        let principal = self.get(&format!("servicePrincipals(appId='{client_id}')")).await;
        let id = principal["id"].as_str()?;
        let assignments = self.get(&format!("servicePrincipals/{id}/appRoleAssignments")).await;
        let count = assignments["value"].as_array().unwrap().len();
        Some((principal, count))
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn v1(tenant: &str, client_id: &str, redirect_uri: &str) -> String {
    format!("/{tenant}/adminconsent?client_id={client_id}&redirect_uri={}", encoded(redirect_uri))
}

fn v2(tenant: &str, client_id: &str, redirect_uri: &str) -> String {
    let scope = encoded("https://graph.microsoft.com/.default");
    format!(
        "/{tenant}/v2.0/adminconsent?client_id={client_id}&scope={scope}&redirect_uri={}",
        encoded(redirect_uri)
    )
}

fn client_id(application: &Value) -> &str {
    application["appId"].as_str().unwrap()
}

async fn world() -> (RunningSandbox, Directory, Browser) {
    let sandbox = start().await;
    let directory = Directory::of(sandbox.ready()).await;
    let browser = Browser::new(sandbox.ready());
    (sandbox, directory, browser)
}

// authority 13, AC-11: success, by both endpoints; idempotence
#[tokio::test]
async fn an_accepted_application_is_in_the_tenant_with_its_roles_and_stays_so() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let app = client_id(&application);
    assert!(directory.principal(app).await.is_none());

    let state = "&state=a%20b+c%2Fd%3D%C3%A9~";
    let link = v1(&ready.tenant_domain, app, RETURN) + state;
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    for text in
        ["Permissions requested", "Reports", "User.Read.All", "Group.Read.All", "Microsoft Graph", "Contoso"]
    {
        assert!(page.html.contains(text), "{text}: {}", page.html);
    }
    assert!(!page.html.contains("granted already"));
    let accepted = browser.submit(&page, "accept", &[]).await;
    assert_eq!(accepted.status, StatusCode::FOUND);
    assert_eq!(
        accepted.location(),
        format!("{RETURN}?tenant={}&state=a%20b+c%2Fd%3D%C3%A9~&admin_consent=True#", ready.tenant_id)
    );
    let (first, roles) = directory.principal(app).await.unwrap();
    assert_eq!((roles, &first["displayName"]), (2, &json!("Reports")));

    let page = browser.get(&(v2("Organizations", app, RETURN) + "&state=x")).await;
    page.is_error(50194);
    let page = browser.get(&(v2(&ready.tenant_id, app, RETURN) + "&state=x")).await;
    assert_eq!(page.html.matches("granted already").count(), 2, "{}", page.html);
    let accepted = browser.submit(&page, "accept", &[]).await;
    let (place, parameters) = accepted.answer();
    assert_eq!(place, RETURN);
    let scope = "https://graph.microsoft.com/User.Read.All https://graph.microsoft.com/Group.Read.All";
    let expected =
        [("admin_consent", "True"), ("tenant", &ready.tenant_id), ("scope", scope), ("state", "x")];
    assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(directory.principal(app).await.unwrap(), (first, 2));
    sandbox.shutdown().await;
}

// authority 13, AC-11: refusal
#[tokio::test]
async fn who_cancels_changes_nothing_and_the_application_is_told() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let app = client_id(&application);

    let page =
        browser.sign_in(&v1(&ready.tenant_id, app, RETURN), &ready.tenant_id, &ready.administrator).await;
    let declined = browser.submit(&page, "cancel", &[]).await;
    assert_eq!(
        declined.location(),
        format!("{RETURN}?error=permission_denied&error_description=The+admin+canceled+the+request#")
    );

    let page = browser.get(&(v2(&ready.tenant_id, app, RETURN) + "&state=a+b")).await;
    let declined = browser.submit(&page, "cancel", &[]).await;
    assert!(declined.location().contains("?admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+The+resource+owner+or+authorization+server+denied+the+request.%0D%0ATrace+ID"));
    assert!(declined.location().ends_with("&state=a+b#"));
    let (_, parameters) = declined.answer();
    let lines: Vec<&str> =
        parameters[2].1.split("\r\n").map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["AADSTS65004", "Trace ID", "Correlation ID", "Timestamp"]);
    assert!(directory.principal(app).await.is_none());
    sandbox.shutdown().await;
}

// authority 13, AC-11: an address that does not match is an error page, never a redirect
#[tokio::test]
async fn a_request_that_is_not_in_order_is_a_page_and_never_a_redirect() {
    let (sandbox, directory, mut browser) = world().await;
    let tenant = sandbox.ready().tenant_id.as_str();
    let application = directory.register(json!({})).await;
    let homeless = directory.register(json!({ "web": { "redirectUris": [] } })).await;
    let app = client_id(&application);
    let unknown = "99999999-9999-4999-8999-999999999999";
    let below = format!("{RETURN}/tenant/7");
    let graph_only = encoded("https://graph.microsoft.com/User.Read.All");
    for (link, code) in [
        (v1(tenant, app, "https://evil.example/"), 50011),
        (v1(tenant, app, &format!("{RETURN}.evil.example")), 50011),
        (v2(tenant, app, &below), 50011),
        (v2(tenant, app, &format!("{RETURN}/")), 50011),
        (v1(tenant, app, ""), 900_971),
        (format!("/{tenant}/adminconsent?client_id={app}"), 900_971),
        (v1(tenant, client_id(&homeless), RETURN), 900_971),
        (v1(tenant, unknown, RETURN), 700_016),
        (v1(tenant, "nonsense", RETURN), 700_016),
        (format!("/{tenant}/adminconsent?redirect_uri={}", encoded(RETURN)), 900_144),
        (format!("{}&client_id={unknown}", v1(tenant, app, RETURN)), 9_002_313),
        (format!("{}&redirect_uri=https://evil.example/", v1(tenant, app, RETURN)), 9_002_313),
        (format!("/{tenant}/v2.0/adminconsent?client_id={app}&redirect_uri={}", encoded(RETURN)), 900_144),
        (
            format!(
                "/{tenant}/v2.0/adminconsent?client_id={app}&scope={graph_only}&redirect_uri={}",
                encoded(RETURN)
            ),
            70011,
        ),
        (v1("fabrikam.onmicrosoft.com", app, RETURN), 90002),
        (v1("no_tenant!", app, RETURN), 900_023),
        (v1("common", app, RETURN), 50194),
        (v2("common", app, RETURN), 50059),
        (v1("consumers", app, RETURN), 9_002_332),
        (format!("{}&state={}", v1(tenant, app, RETURN), "x".repeat(4097)), 90100),
    ] {
        browser.get(&link).await.is_error(code);
    }
    for link in [v1(tenant, app, &below), format!("{}&state={}", v2(tenant, app, RETURN), "%20".repeat(4096))]
    {
        assert_eq!(browser.get(&link).await.status, StatusCode::OK);
    }
    let page = browser.get("//evil.example/adminconsent?client_id=x").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    sandbox.shutdown().await;
}

// authority 13: v1 may carry extra path segments, a state of 4 KB comes back whole
#[tokio::test]
async fn the_v1_endpoint_returns_below_a_registered_address_with_all_of_the_state() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let below = format!("{RETURN}/tenant/7");
    let state = "%C3%A9".repeat(2048);
    let link = format!("{}&state={state}", v1(&ready.tenant_id, client_id(&application), &below));
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let accepted = browser.submit(&page, "accept", &[]).await;
    let tenant = &ready.tenant_id;
    assert_eq!(accepted.location(), format!("{below}?tenant={tenant}&state={state}&admin_consent=True#"));
    sandbox.shutdown().await;
}

// authority 13: 650052 and its neighbours come when the tenant is known
#[tokio::test]
async fn permissions_that_cannot_be_granted_are_explained() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let nowhere = "77777777-7777-4777-8777-777777777777";
    let lists = |resource: &str, role: &str| {
        json!({ "requiredResourceAccess":
            [{ "resourceAppId": resource, "resourceAccess": [{ "id": role, "type": "Role" }] }] })
    };
    let lacking = directory.register(lists(nowhere, USER_READ_ALL)).await;
    let mistaken = directory.register(lists(GRAPH, nowhere)).await;
    let listing_nothing = directory.register(json!({ "requiredResourceAccess": [] })).await;

    let link = v1(&ready.tenant_id, client_id(&lacking), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    page.is_error(650_052);
    browser.get(&v1(&ready.tenant_id, client_id(&mistaken), RETURN)).await.is_error(650_053);
    browser.get(&v2(&ready.tenant_id, client_id(&listing_nothing), RETURN)).await.is_error(650_056);
    assert!(directory.principal(client_id(&lacking)).await.is_none());

    let link = v1(&ready.tenant_id, client_id(&listing_nothing), RETURN);
    let page = browser.get(&link).await;
    assert!(page.html.contains("no application permission"), "{}", page.html);
    browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(directory.principal(client_id(&listing_nothing)).await.unwrap().1, 0);
    sandbox.shutdown().await;
}

// authority 13: delegated permissions are not for applications that act as themselves
#[tokio::test]
async fn delegated_permissions_are_told_and_not_granted() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let listed = json!({ "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
        { "id": USER_READ_ALL, "type": "Role" }, { "id": USER_READ_ALL, "type": "Role" },
        { "id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope" },
    ] }] });
    let application = directory.register(listed).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    assert!(page.html.contains("one delegated permission"), "{}", page.html);
    browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(directory.principal(client_id(&application)).await.unwrap().1, 1);
    sandbox.shutdown().await;
}

// AC-11: multi-tenant onboarding
#[tokio::test]
async fn an_application_of_one_tenant_is_onboarded_in_another() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let customer = sandbox.add_tenant("fabrikam").await.unwrap();
    let application = directory.register(json!({ "signInAudience": "AzureADMultipleOrgs" })).await;
    let own = directory.register(json!({})).await;
    let secret = directory
        .post(&format!("applications/{}/addPassword", application["id"].as_str().unwrap()), json!({}))
        .await;
    let app = client_id(&application);

    browser.get(&v1(&customer.tenant_id, client_id(&own), RETURN)).await.is_error(700_016);
    let link = v1("common", app, RETURN);
    let page = browser.get(&link).await;
    for name in ["Contoso", "fabrikam.onmicrosoft.com"] {
        assert!(page.html.contains(name), "{}", page.html);
    }
    let page = browser.sign_in(&link, &customer.tenant_id, &customer.administrator).await;
    let (_, parameters) = browser.submit(&page, "accept", &[]).await.answer();
    assert_eq!(parameters[0], ("tenant".to_owned(), customer.tenant_id.clone()));

    let token = directory
        .client
        .post(format!("{}/{}/oauth2/v2.0/token", ready.authority, customer.tenant_id))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", app),
            ("client_secret", secret["secretText"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
        ])
        .send()
        .await
        .unwrap();
    let token: Value = token.json().await.unwrap();
    let claims = crate::claims(token["access_token"].as_str().unwrap_or_else(|| panic!("{token}")));
    let mut roles: Vec<&str> = claims["roles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    roles.sort_unstable();
    assert_eq!(
        (roles, &claims["tid"]),
        (vec!["Group.Read.All", "User.Read.All"], &json!(customer.tenant_id))
    );
    assert!(directory.principal(app).await.is_none(), "consent in one tenant is none in another");

    // Signed in to one tenant is not signed in to the other.
    let page = browser.get(&v1(&ready.tenant_id, app, RETURN)).await;
    assert!(page.html.contains("<h1>Sign in</h1>"));
    sandbox.shutdown().await;
}

// authority 13: 90094
#[tokio::test]
async fn an_administrator_who_may_grant_nothing_cannot_consent() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;

    let (administrator, _) = directory.principal(&ready.administrator.client_id).await.unwrap();
    let id = administrator["id"].as_str().unwrap();
    let held = directory.get(&format!("servicePrincipals/{id}/appRoleAssignments")).await;
    let is_grant = |it: &&Value| it["appRoleId"] == "06b708a9-e830-4db3-a914-8e69da51d44f";
    let grant = held["value"].as_array().unwrap().iter().find(is_grant).unwrap()["id"].as_str().unwrap();
    directory.delete(&format!("servicePrincipals/{id}/appRoleAssignments/{grant}")).await;

    browser.submit(&page, "accept", &[]).await.is_error(90094);
    browser.get(&link).await.is_error(90094);
    assert!(directory.principal(client_id(&application)).await.is_none());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_many_are_stopped() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let directory = Directory::of(ready).await;
    let mut browser = Browser::new(ready);
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let mut page = browser.get(&link).await;
    let wrong = [("account", ready.tenant_id.as_str()), ("password", "wrong")];
    for _ in 0..10 {
        page = browser.submit(&page, "sign-in", &wrong).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.html.contains("The password is wrong") && !page.html.contains(r#"value="wrong""#));
    }
    let secret = std::fs::read_to_string(&ready.administrator.secret_file).unwrap();
    let right = [("account", ready.tenant_id.as_str()), ("password", secret.as_str())];
    page = browser.submit(&page, "sign-in", &right).await;
    assert_eq!(
        (page.status, &page.headers[RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"300".parse().unwrap())
    );
    clock.advance(Duration::from_secs(300));
    let answer = browser.submit(&page, "sign-in", &right).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    clock.advance(Duration::from_secs(3600));
    assert!(browser.get(&link).await.html.contains("<h1>Sign in</h1>"), "a sign-in lasts an hour");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_form_counts_only_from_the_page_that_was_shown() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let application = directory.register(json!({})).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN);
    let page = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let is_refused =
        |page: &Page| page.status == StatusCode::FORBIDDEN && page.html.contains("nothing was done");

    for action in ["accept", "cancel", "sign-out", "nonsense", ""] {
        assert!(is_refused(&browser.post(&page.url, action, "forged", &[]).await), "{action}");
    }
    let token = page.token_of("accept");
    let form = [("action", "accept"), ("token", token.as_str())];
    for origin in ["https://evil.example", "null", "https://localhost", "http://localhost:3000"] {
        let request = browser.client.post(&page.url).header(ORIGIN, origin).form(&form);
        assert!(is_refused(&browser.send(request, page.url.clone()).await), "{origin}");
    }
    // Another browser has another token, and is not signed in.
    let mut other = Browser::new(ready);
    let refused = other.post(&page.url, "accept", &token, &[]).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.html.contains("<h1>Sign in</h1>"));

    // The application asks for more once the page is open.
    let more = json!({ "requiredResourceAccess": [{ "resourceAppId": GRAPH, "resourceAccess": [
        { "id": "741f803b-c850-494e-b5df-cde7c675a1ca", "type": "Role" },
    ] }] });
    directory.patch(&format!("applications/{}", application["id"].as_str().unwrap()), more).await;
    let refused = browser.submit(&page, "accept", &[]).await;
    assert!(is_refused(&refused) && refused.html.contains("User.ReadWrite.All"));
    assert!(directory.principal(client_id(&application)).await.is_none());

    let out = browser.submit(&refused, "sign-out", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(browser.get(&link).await.html.contains("<h1>Sign in</h1>"));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn pages_hold_nothing_foreign_and_can_be_framed_by_nobody() {
    let (sandbox, directory, mut browser) = world().await;
    let ready = sandbox.ready();
    let evil = r#"<script>alert("x")</script><img src=x onerror='y'>"#;
    let role = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";
    let api = directory
        .register(json!({ "displayName": evil, "requiredResourceAccess": [], "appRoles": [{
            "id": role, "value": "Work<b>", "displayName": evil, "description": evil, "isEnabled": true,
            "allowedMemberTypes": ["Application"],
        }] }))
        .await;
    directory.post("servicePrincipals", json!({ "appId": api["appId"] })).await;
    let listed =
        json!([{ "resourceAppId": api["appId"], "resourceAccess": [{ "id": role, "type": "Role" }] }]);
    let application =
        directory.register(json!({ "displayName": evil, "requiredResourceAccess": listed })).await;
    let link = v1(&ready.tenant_id, client_id(&application), RETURN) + "&state=%22%3E%3Cscript%3E\"'";

    let sign_in = browser.get(&link).await;
    let ask = browser.sign_in(&link, &ready.tenant_id, &ready.administrator).await;
    let error =
        browser.get(&v1(&ready.tenant_id, client_id(&application), "https://e/<script>x</script>")).await;
    error.is_error(50011);
    for page in [&sign_in, &ask, &error] {
        assert!(!page.html.contains("<script") && !page.html.contains("<img"), "{}", page.html);
        assert!(page.html.contains("&lt;script&gt;"), "{}", page.html);
        let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        assert!(
            page.headers.get("strict-transport-security").is_none(),
            "it would bind other servers of this machine"
        );
    }
    let cookie = sign_in.headers[SET_COOKIE].to_str().unwrap();
    for attribute in ["__Host-", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let secret = std::fs::read_to_string(&ready.administrator.secret_file).unwrap();
    assert!(!ask.html.contains(&secret));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn other_methods_and_large_forms_are_refused() {
    let (sandbox, directory, mut browser) = world().await;
    let application = directory.register(json!({})).await;
    let link = v1(&sandbox.ready().tenant_id, client_id(&application), RETURN)
        .replace("adminconsent", "AdminConsent");
    let url = format!("{}{link}", browser.base);
    let page = browser.send(browser.client.put(&url), url.clone()).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    let large = "x".repeat(20_000);
    let page = browser.send(browser.client.post(&url).body(large), url.clone()).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(browser.get(&link).await.status, StatusCode::OK);
    sandbox.shutdown().await;
}
