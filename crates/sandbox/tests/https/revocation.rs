//! Continuous access evaluation, as a client goes through it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use unattended_sandbox::Ready;

use crate::directory::Directory;
use crate::{builder, claims, client, clock};

const CAPABLE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

/// Asks for a token of the administrator's application.
async fn token(ready: &Ready, claims: &str) -> Value {
    let secret = fs::read_to_string(&ready.administrator.secret_file).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &ready.administrator.client_id),
        ("client_secret", &secret),
        ("scope", "https://graph.microsoft.com/.default"),
        ("claims", claims),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    client(ready).post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

/// Reads users: the status, and the claims of a challenge.
async fn read(ready: &Ready, token: &str) -> (u16, Option<Value>) {
    let request = client(ready).get(format!("{}/users?$top=1", ready.graph)).bearer_auth(token);
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
    let claims = challenge.as_deref().and_then(|it| it.split("claims=\"").nth(1)).map(|rest| {
        let encoded = rest.split('"').next().unwrap();
        serde_json::from_slice(&BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
    });
    (response.status().as_u16(), claims)
}

/// What a client sends after a challenge: its claims with the client's own capability.
fn merged(mut challenge: Value) -> String {
    challenge["access_token"]["xms_cc"] = json!({ "values": ["cp1"] });
    challenge.to_string()
}

fn access(answer: &Value) -> &str {
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

// AC-10
#[tokio::test]
async fn a_revoked_client_is_challenged_asks_again_with_the_claims_and_goes_on() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let long = token(ready, CAPABLE).await;
    assert!(long["expires_in"].as_i64().unwrap() > 20 * 3600 - 1 && long["refresh_in"].is_i64());
    assert_eq!(claims(access(&long))["xms_cc"], json!(["cp1"]));
    let short = token(ready, "{}").await;
    assert_eq!(read(ready, access(&long)).await.0, 200);

    clock.advance(Duration::from_secs(10));
    let control = fs::read_to_string(ready.ca_file.with_file_name("control.token")).unwrap();
    let url = format!("{}/sandbox/applications/{}/revoke", ready.authority, ready.administrator.client_id);
    let revoked = client(ready).post(url).bearer_auth(control.trim()).send().await.unwrap();
    let revoked: Value = revoked.json().await.unwrap();
    assert_eq!(revoked["servicePrincipals"], 1);

    let (status, challenge) = read(ready, access(&long)).await;
    let challenge = challenge.unwrap();
    assert_eq!(status, 401);
    assert_eq!(challenge["access_token"]["nbf"]["value"], revoked["revokedAt"].to_string());
    assert_eq!(read(ready, access(&short)).await, (200, None), "it lives until it ends");

    // The same request again gets a token that is backdated as all are, and so from before the revocation.
    let stale = token(ready, CAPABLE).await;
    assert_eq!(read(ready, access(&stale)).await.0, 401);
    let fresh = token(ready, &merged(challenge)).await;
    assert_eq!(claims(access(&fresh))["nbf"], revoked["revokedAt"]);
    assert_eq!(read(ready, access(&fresh)).await, (200, None));
    sandbox.shutdown().await;
}

// AC-10: disable -> 401 with claims -> 7000112; enabled again -> old tokens stay revoked
#[tokio::test]
async fn a_disabled_client_learns_why_where_it_asks_for_its_next_token() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let directory = Directory::of(ready).await;
    // Another administrator disables the first, and enables it again.
    let other = directory.daemon(ready, "second", "Application.ReadWrite.All").await;
    let long = token(ready, CAPABLE).await;
    assert_eq!(read(ready, access(&long)).await.0, 200);
    clock.advance(Duration::from_secs(10));
    let path = format!("servicePrincipals(appId='{}')", ready.administrator.client_id);
    other.patch(&path, json!({ "accountEnabled": false })).await;
    let (status, challenge) = read(ready, access(&long)).await;
    assert_eq!(status, 401);
    let claims = merged(challenge.unwrap());
    assert_eq!(token(ready, &claims).await["error_codes"], json!([7_000_112]));

    other.patch(&path, json!({ "accountEnabled": true })).await;
    assert_eq!(read(ready, access(&long)).await.0, 401);
    assert_eq!(read(ready, access(&token(ready, &claims).await)).await.0, 200);
    sandbox.shutdown().await;
}
