//! The directory of a running sandbox, registered and provisioned over HTTPS as any client would.

use std::path::Path;

use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use unattended_sandbox::{Ready, RunningSandbox, Sandbox};

struct Tenant {
    http: Client,
    ready: Ready,
    token: String,
}

impl Tenant {
    async fn of(sandbox: &RunningSandbox) -> Self {
        // The one provider; a second test of this process finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ready = sandbox.ready().clone();
        let ca = std::fs::read(&ready.ca_file).unwrap();
        let http = Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        let secret = std::fs::read_to_string(&ready.administrator.secret_file).unwrap();
        let token = token(&http, &ready, &ready.administrator.client_id, &secret).await;
        Self { http, ready, token }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.ready.graph)
        };
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }
}

async fn token(http: &Client, ready: &Ready, client_id: &str, secret: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret.trim()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    let response = http.post(url).form(&form).send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_did_not_exist_a_minute_ago_provisions_people() {
    let sandbox = Sandbox::builder().in_memory().users(250).seed(42).start().await.unwrap();
    let mut tenant = Tenant::of(&sandbox).await;

    let (status, application) =
        tenant.ask("POST", "/applications", Some(json!({ "displayName": "daemon" }))).await;
    assert_eq!(status, 201, "{application}");
    let path = format!("/applications/{}/addPassword", application["id"].as_str().unwrap());
    let (_, password) = tenant.ask("POST", &path, None).await;
    let app_id = application["appId"].as_str().unwrap().to_owned();
    let (_, principal) = tenant.ask("POST", "/servicePrincipals", Some(json!({ "appId": app_id }))).await;
    let graph = "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let (_, graph) = tenant.ask("GET", graph, None).await;
    let role =
        graph["appRoles"].as_array().unwrap().iter().find(|role| role["value"] == "User.ReadWrite.All");
    let grant = json!({
        "principalId": principal["id"], "resourceId": graph["id"], "appRoleId": role.unwrap()["id"],
    });
    let path = format!("/servicePrincipals/{}/appRoleAssignedTo", graph["id"].as_str().unwrap());
    assert_eq!(tenant.ask("POST", &path, Some(grant)).await.0, 201);

    let secret = password["secretText"].as_str().unwrap();
    tenant.token = token(&tenant.http, &tenant.ready, &app_id, secret).await;
    assert_eq!(tenant.ask("GET", "/applications", None).await.0, 403);
    let user = |index: usize| {
        json!({
            "id": index.to_string(), "method": "POST", "url": "/users",
            "headers": { "Content-Type": "application/json" },
            "body": {
                "accountEnabled": true, "displayName": format!("Ñandú {index}"), "mailNickname": "n",
                "userPrincipalName": format!("n{index}@{}", tenant.ready.tenant_domain),
                "passwordProfile": { "password": "Wadu7-tapir-Kloster" },
            },
        })
    };
    let batch = json!({ "requests": (0..20).map(user).collect::<Vec<_>>() });
    let (status, outcome) = tenant.ask("POST", "/$batch", Some(batch)).await;
    assert_eq!(status, 200, "{outcome}");
    assert!(outcome["responses"].as_array().unwrap().iter().all(|one| one["status"] == 201), "{outcome}");

    let mut path = "/users?$select=id&$top=100".to_owned();
    let mut count = 0;
    loop {
        let (status, page) = tenant.ask("GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        count += page["value"].as_array().unwrap().len();
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!(count, 270);
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_links_outlive_a_restart_and_no_file_holds_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let start = || Sandbox::builder().directory(data.clone()).users(30).start();
    let sandbox = start().await.unwrap();
    let tenant = Tenant::of(&sandbox).await;
    let (_, application) =
        tenant.ask("POST", "/applications", Some(json!({ "displayName": "daemon" }))).await;
    let path = format!("/applications/{}/addPassword", application["id"].as_str().unwrap());
    let (_, password) = tenant.ask("POST", &path, None).await;
    let (_, page) = tenant.ask("GET", "/users?$top=20", None).await;
    sandbox.shutdown().await;

    let sandbox = start().await.unwrap();
    let tenant = Tenant::of(&sandbox).await;
    // The port is another one if somebody took it meanwhile.
    let path = page["@odata.nextLink"].as_str().unwrap().split("/graph/v1.0").nth(1).unwrap();
    let (status, rest) = tenant.ask("GET", path, None).await;
    assert_eq!((status, rest["value"].as_array().map(Vec::len)), (200, Some(10)), "{rest}");
    sandbox.shutdown().await;
    assert_eq!(files_with(&data, password["secretText"].as_str().unwrap()), Vec::<String>::new());
}

/// The files of a directory in which a text occurs.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .map(|path| path.display().to_string())
        .collect()
}
