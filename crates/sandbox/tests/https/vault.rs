//! The vault: found by path and by host, opened by a token of this sandbox's authority.

use reqwest::Client;
use serde_json::{Value, json};
use unattended_sandbox::{Ready, Sandbox};

use crate::{administrator_token_for, builder, claims, client, start};

/// What the challenge tells a client that comes without a token.
async fn challenge(http: &Client, vault: &str) -> String {
    let response = http.get(format!("{vault}/secrets/s/?api-version=2026-04-01")).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    challenge.split(r#"resource=""#).nth(1).unwrap().trim_end_matches('"').to_owned()
}

/// A client that resolves the name of the vault's host, as machines with a resolver for names below `localhost` do.
fn resolving(ready: &Ready) -> (Client, String) {
    let port = ready.authority.rsplit(':').next().unwrap();
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
    let http = Client::builder()
        .tls_certs_only([certificate])
        .no_proxy()
        .resolve("contoso.vault.localhost", format!("127.0.0.1:{port}").parse().unwrap())
        .build()
        .unwrap();
    (http, format!("https://contoso.vault.localhost:{port}"))
}

// directory 11
#[tokio::test]
async fn a_secret_is_kept_and_read_with_the_token_that_the_challenge_asks_for() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let plain = client(ready);
    let (by_host, host) = resolving(ready);
    for (http, vault) in [(&plain, &ready.vault), (&by_host, &host)] {
        let resource = challenge(http, vault).await;
        let token = administrator_token_for(ready, &resource).await;
        let token = token["access_token"].as_str().unwrap();
        assert_eq!((&claims(token)["aud"], &claims(token)["ver"]), (&json!(resource), &json!("1.0")));
        let secret = format!("{vault}/secrets/s?api-version=7.4");
        let set = http.put(&secret).bearer_auth(token).json(&json!({ "value": vault }));
        let set: Value = set.send().await.unwrap().json().await.unwrap();
        assert!(set["id"].as_str().unwrap().starts_with(&format!("{host}/secrets/s/")), "{set}");
        let read: Value = http.get(&secret).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        assert_eq!(read["value"], json!(vault));
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_a_vault_holds_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for is_first in [true, false] {
        let clock = std::sync::Arc::new(crate::clock());
        let sandbox = Sandbox::builder().directory(folder.path()).clock(clock).start().await.unwrap();
        let ready = sandbox.ready();
        let token = administrator_token_for(ready, "https://vault.azure.net").await;
        let token = token["access_token"].as_str().unwrap();
        let url = format!("{}/secrets/s?api-version=7.4", ready.vault);
        if is_first {
            let set = client(ready).put(&url).bearer_auth(token).json(&json!({ "value": "kept" }));
            assert_eq!(set.send().await.unwrap().status(), 200);
        } else {
            let read = client(ready).get(&url).bearer_auth(token).send().await.unwrap();
            assert_eq!(read.json::<Value>().await.unwrap()["value"], "kept");
        }
        sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn an_added_tenant_has_a_vault_of_its_own() {
    let sandbox = builder().start().await.unwrap();
    let ready = sandbox.ready();
    sandbox.add_tenant("fabrikam").await.unwrap();
    let fabrikam = ready.vault.replace("contoso", "fabrikam");
    assert_eq!(challenge(&client(ready), &fabrikam).await, "https://vault.azure.net");
    let token = administrator_token_for(ready, "https://vault.azure.net").await;
    let url = format!("{fabrikam}/secrets?api-version=7.4");
    let read = client(ready).get(url).bearer_auth(token["access_token"].as_str().unwrap());
    assert_eq!(read.send().await.unwrap().status(), 401);
    sandbox.shutdown().await;
}
