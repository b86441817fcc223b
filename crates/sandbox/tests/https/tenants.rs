//! Several tenants in one sandbox, and one application in several of them.

use std::fs;

use serde_json::{Value, json};
use unattended_sandbox::{Administrator, RunningSandbox};

use crate::{client, start};

const GRAPH: &str = "https://graph.microsoft.com/.default";

/// A tenant as its administrator works with it.
struct Tenant<'a> {
    sandbox: &'a RunningSandbox,
    http: reqwest::Client,
    id: String,
    administrator: Administrator,
}

impl Tenant<'_> {
    async fn token(&self, client_id: &str, secret: &str) -> Value {
        let ready = self.sandbox.ready();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret),
            ("scope", GRAPH),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, self.id);
        self.http.post(url).form(&form).send().await.unwrap().json().await.unwrap()
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let secret = fs::read_to_string(&self.administrator.secret_file).unwrap();
        let token = self.token(&self.administrator.client_id, &secret).await;
        let url = format!("{}{path}", self.sandbox.ready().graph);
        let mut request = self.http.request(method, url).bearer_auth(token["access_token"].as_str().unwrap());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.send(reqwest::Method::POST, path, Some(body)).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    /// Registers an application with a secret, without a service principal.
    async fn register(&self, name: &str, audience: &str) -> (String, String) {
        let application =
            self.post("/applications", json!({ "displayName": name, "signInAudience": audience })).await;
        let path = format!("/applications/{}/addPassword", application["id"].as_str().unwrap());
        let (status, password) = self.send(reqwest::Method::POST, &path, Some(json!({}))).await;
        assert_eq!(status, 200, "{password}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&application["appId"]), text(&password["secretText"]))
    }
}

async fn two_tenants(sandbox: &RunningSandbox) -> [Tenant<'_>; 2] {
    let added = sandbox.add_tenant("fabrikam").await.unwrap();
    let ready = sandbox.ready();
    let tenant =
        |id: String, administrator: Administrator| Tenant { sandbox, http: client(ready), id, administrator };
    [
        tenant(ready.tenant_id.clone(), ready.administrator.clone()),
        tenant(added.tenant_id, added.administrator),
    ]
}

fn code(answer: &Value) -> u64 {
    answer["error_codes"][0].as_u64().unwrap_or(0)
}

// issue 3: several tenants
#[tokio::test]
async fn each_tenant_has_a_directory_of_its_own() {
    let sandbox = start().await;
    let [contoso, fabrikam] = two_tenants(&sandbox).await;
    assert_eq!(fabrikam.get("/organization").await["value"][0]["displayName"], "Fabrikam");
    fabrikam.register("theirs", "AzureADMyOrg").await;
    let filter = "/applications?$filter=displayName%20eq%20'theirs'";
    assert_eq!(contoso.get(filter).await["value"], json!([]));
    assert_eq!(fabrikam.get(filter).await["value"].as_array().unwrap().len(), 1);
    // An administrator is nobody in the other tenant.
    let secret = fs::read_to_string(&contoso.administrator.secret_file).unwrap();
    assert_eq!(code(&fabrikam.token(&contoso.administrator.client_id, &secret).await), 700_016);
    let user = json!({
        "accountEnabled": true, "displayName": "Ada", "mailNickname": "ada",
        "userPrincipalName": "ada@fabrikam.onmicrosoft.com",
        "passwordProfile": { "password": "Wadu7-tapir-Kloster" },
    });
    assert_eq!(contoso.send(reqwest::Method::POST, "/users", Some(user.clone())).await.0, 400);
    assert_eq!(fabrikam.send(reqwest::Method::POST, "/users", Some(user)).await.0, 201);
    sandbox.shutdown().await;
}

// AC-7 across tenants
#[tokio::test]
async fn an_application_for_many_tenants_acts_where_it_has_a_service_principal() {
    let sandbox = start().await;
    let [contoso, fabrikam] = two_tenants(&sandbox).await;
    let (app, secret) = contoso.register("exporter", "AzureADMultipleOrgs").await;
    // At home it is known without a service principal, abroad it is not.
    assert_eq!(code(&contoso.token(&app, &secret).await), 7_000_229);
    assert_eq!(code(&fabrikam.token(&app, &secret).await), 700_016);

    let abroad = fabrikam.post("/servicePrincipals", json!({ "appId": app })).await;
    assert_eq!(abroad["appOwnerOrganizationId"], contoso.id);
    assert_eq!(code(&fabrikam.token(&app, &secret).await), 0);
    assert_eq!(code(&contoso.token(&app, &secret).await), 7_000_229);
    assert_eq!(code(&fabrikam.token(&app, "wrong").await), 7_000_215);

    // Disabled in one tenant it works in the other.
    contoso.post("/servicePrincipals", json!({ "appId": app })).await;
    let path = format!("/servicePrincipals/{}", abroad["id"].as_str().unwrap());
    let disabled = json!({ "accountEnabled": false });
    assert_eq!(fabrikam.send(reqwest::Method::PATCH, &path, Some(disabled)).await.0, 204);
    assert_eq!(code(&fabrikam.token(&app, &secret).await), 7_000_112);
    assert_eq!(code(&contoso.token(&app, &secret).await), 0);
    sandbox.shutdown().await;
}

// AC-7 across tenants
#[tokio::test]
async fn an_application_of_one_tenant_gets_no_service_principal_in_another() {
    let sandbox = start().await;
    let [contoso, fabrikam] = two_tenants(&sandbox).await;
    let (app, secret) = contoso.register("inhouse", "AzureADMyOrg").await;
    let (status, body) =
        fabrikam.send(reqwest::Method::POST, "/servicePrincipals", Some(json!({ "appId": app }))).await;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("NoBackingApplicationObject")));
    assert_eq!(code(&fabrikam.token(&app, &secret).await), 700_016);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn tenants_come_back_with_the_sandbox_and_go_with_its_reset() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let sandbox = crate::builder().directory(&path).start().await.unwrap();
    let first = sandbox.ready().tenant_id.clone();
    let added = sandbox.add_tenant("fabrikam").await.unwrap();
    let refused = sandbox.add_tenant("fabrikam").await.unwrap_err();
    assert!(refused.is_tenant_refused() && refused.to_string().contains("fabrikam"), "{refused}");
    sandbox.shutdown().await;

    let sandbox = crate::builder().directory(&path).start().await.unwrap();
    assert_eq!(sandbox.ready().tenant_id, first);
    let fabrikam = Tenant {
        sandbox: &sandbox,
        http: client(sandbox.ready()),
        id: added.tenant_id,
        administrator: added.administrator.clone(),
    };
    fabrikam.get("/organization").await;
    sandbox.shutdown().await;
    unattended_sandbox::Sandbox::reset(&path).unwrap();
    assert!(!added.administrator.secret_file.exists());
}
