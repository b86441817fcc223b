//! One sandbox as the issuer of another's federated credentials: nothing but HTTPS between them.

use std::fs;

use serde_json::{Value, json};
use unattended_sandbox::Ready;

use crate::directory::Directory;
use crate::{administrator_token, builder, claims, client, start};

const AUDIENCE: &str = "api://exchange.contoso.onmicrosoft.com";

/// A token of an application in the issuing tenant, for the audience that federated credentials have.
async fn token_for_exchange(ready: &Ready) -> String {
    let directory = Directory::of(ready).await;
    let api = json!({ "displayName": "exchange", "identifierUris": [AUDIENCE] });
    let api = directory.post("applications", api).await;
    directory.post("servicePrincipals", json!({ "appId": api["appId"] })).await;
    let secret = fs::read_to_string(&ready.administrator.secret_file).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &ready.administrator.client_id),
        ("client_secret", &secret),
        ("scope", &format!("{AUDIENCE}/.default")),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    let answer: Value = client(ready).post(url).form(&form).send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn exchange(ready: &Ready, client_id: &str, assertion: &str) -> Value {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    client(ready).post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

// AC-4, S8: both legs
#[tokio::test]
async fn a_token_of_one_sandbox_proves_a_client_of_another_that_trusts_its_ca() {
    let outside = start().await;
    let assertion = token_for_exchange(outside.ready()).await;
    let claims = claims(&assertion);
    let ca = fs::read(&outside.ready().ca_file).unwrap();
    let trusting = builder().trust_issuers_of(ca).start().await.unwrap();
    let stranger = start().await;
    for (sandbox, code) in [(&trusting, None), (&stranger, Some(50_166))] {
        let ready = sandbox.ready();
        let directory = Directory::of(ready).await;
        let application = directory.post("applications", json!({ "displayName": "build" })).await;
        let client_id = application["appId"].as_str().unwrap();
        directory.post("servicePrincipals", json!({ "appId": client_id })).await;
        let credential = json!({ "name": "outside", "issuer": claims["iss"], "subject": claims["sub"],
            "audiences": [AUDIENCE] });
        let id = application["id"].as_str().unwrap();
        directory.post(&format!("applications/{id}/federatedIdentityCredentials"), credential).await;
        let answer = exchange(ready, client_id, &assertion).await;
        match code {
            None => assert_eq!(crate::claims(answer["access_token"].as_str().unwrap())["azpacr"], "2"),
            Some(code) => assert_eq!(answer["error_codes"], json!([code]), "{answer}"),
        }
    }
    // The same token is no token of the directory there.
    let users = format!("{}/users", trusting.ready().graph);
    let refused = client(trusting.ready()).get(users).bearer_auth(&assertion).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    administrator_token(trusting.ready()).await;
    for sandbox in [outside, trusting, stranger] {
        sandbox.shutdown().await;
    }
}
