//! A sandbox as its clients see it: over HTTPS, with nothing but what its ready file says.

mod bodies;
mod consent;
mod directory;
mod faults;
mod federation;
mod identity_platform;
mod journal;
mod life;
mod managed_identity;
mod mutual_tls;
mod principals;
mod revocation;
mod signed_requests;
mod tenants;
mod tls;
mod vault;
mod vault_certificate;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use reqwest::Certificate;
use serde_json::Value;
use unattended_core::{Clock, ManualClock, SystemClock};
use unattended_sandbox::{Ready, RunningSandbox, Sandbox, SandboxBuilder};

/// A clock that stands at the real time, at which clients take certificates for valid.
fn clock() -> ManualClock {
    ManualClock::at(SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn builder() -> SandboxBuilder {
    Sandbox::builder().in_memory().clock(Arc::new(clock()))
}

async fn start() -> RunningSandbox {
    builder().start().await.unwrap()
}

/// A client that trusts this sandbox and nobody else.
fn client(ready: &Ready) -> reqwest::Client {
    client_builder(ready).build().unwrap()
}

fn client_builder(ready: &Ready) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Certificate::from_pem(&fs::read(&ready.ca_file).unwrap()).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).no_proxy().timeout(Duration::from_secs(20))
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let part = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&part).unwrap()
}

/// A token of the administrator's application for the directory.
async fn administrator_token(ready: &Ready) -> Value {
    administrator_token_for(ready, "https://graph.microsoft.com").await
}

/// A token of the administrator's application for a resource.
async fn administrator_token_for(ready: &Ready, resource: &str) -> Value {
    administrator_token_with(ready, resource, &[]).await
}

/// The same by a request that says more.
async fn administrator_token_with(ready: &Ready, resource: &str, more: &[(&str, &str)]) -> Value {
    let scope = format!("{resource}/.default");
    let secret = fs::read_to_string(&ready.administrator.secret_file).unwrap();
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", ready.administrator.client_id.as_str()),
        ("client_secret", secret.as_str()),
        ("scope", &scope),
    ];
    form.extend_from_slice(more);
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    let response = client(ready).post(url).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 200, "{:?}", response.text().await);
    response.json().await.unwrap()
}
