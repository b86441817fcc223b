//! Metadata, keys and tokens.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use unattended_core::{Clock, TenantId};
use unattended_protect::{CredentialStrength, StaticKeys, TokenVersion, Validator};
use unattended_sandbox::Ready;

use crate::{administrator_token, builder, client, clock, start};

async fn get(ready: &Ready, url: &str) -> Value {
    let response = client(ready).get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{url}");
    response.json().await.unwrap()
}

// authority 4: URLs name the tenant by its GUID, whatever the request named it by; paths ignore case
#[tokio::test]
async fn metadata_leads_to_the_token_endpoint_and_the_keys() {
    let sandbox = start().await;
    let Ready { authority, tenant_id, .. } = sandbox.ready();
    let url = format!("{authority}/Contoso.onMicrosoft.com/V2.0/.well-known/openid-configuration");
    let metadata = get(sandbox.ready(), &url).await;
    assert_eq!(metadata["issuer"], format!("{authority}/{tenant_id}/v2.0"));
    assert_eq!(metadata["token_endpoint"], format!("{authority}/{tenant_id}/oauth2/v2.0/token"));
    assert_eq!(metadata["authorization_endpoint"], format!("{authority}/{tenant_id}/oauth2/v2.0/authorize"));
    let keys = get(sandbox.ready(), metadata["jwks_uri"].as_str().unwrap()).await;
    assert_eq!(keys["keys"][0]["issuer"], format!("{authority}/{{tenantid}}/v2.0"));
    sandbox.shutdown().await;
}

// authority 3
#[tokio::test]
async fn the_sandbox_is_an_instance_of_its_own() {
    let sandbox = start().await;
    let authority = &sandbox.ready().authority;
    let discovery = format!("{authority}/common/discovery/instance?api-version=1.1&authorization_endpoint=");
    let answer = get(sandbox.ready(), &format!("{discovery}{authority}/common/oauth2/v2.0/authorize")).await;
    let host = authority.trim_start_matches("https://");
    assert_eq!(answer["metadata"][0]["preferred_network"], host);

    let foreign = format!("{discovery}https://login.example/common/oauth2/v2.0/authorize");
    let response = client(sandbox.ready()).get(foreign).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error: Value = response.json().await.unwrap();
    assert_eq!((&error["error"], &error["error_codes"]), (&json!("invalid_instance"), &json!([50049])));
    sandbox.shutdown().await;
}

// authority 5, 11; AC-6
#[tokio::test]
async fn an_issued_token_is_valid_by_the_published_keys() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let answer = administrator_token(ready).await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));

    let url = format!("{}/{}/discovery/v2.0/keys", ready.authority, ready.tenant_id);
    let keys = StaticKeys::from_jwks(&get(ready, &url).await.to_string()).unwrap();
    let validator = Validator::builder()
        .issuer(format!("{}/{{tenantid}}/v2.0", ready.authority))
        .audience("00000003-0000-0000-c000-000000000000")
        .tenant(TenantId::parse(&ready.tenant_id).unwrap())
        .keys(Arc::new(keys))
        .build()
        .unwrap();
    let mut headers = HeaderMap::new();
    let token = answer["access_token"].as_str().unwrap();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let caller = validator.validate(&headers, clock.now()).unwrap();
    assert_eq!(caller.client_id().as_str(), ready.administrator.client_id);
    assert_eq!(caller.token_version(), TokenVersion::V2);
    assert_eq!(caller.credential_strength(), CredentialStrength::Secret);
    let mut roles = caller.roles().to_vec();
    roles.sort_unstable();
    assert_eq!(
        roles,
        ["AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"]
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn errors_lead_to_a_page_that_explains_them() {
    let sandbox = start().await;
    let page = |code: u32| {
        let url = format!("{}/error?code={code}", sandbox.ready().authority);
        async { client(sandbox.ready()).get(url).send().await.unwrap().text().await.unwrap() }
    };
    let text = page(7_000_222).await;
    assert!(text.contains("AADSTS7000222") && text.contains("Remedy: make a new secret"), "{text}");
    assert!(page(1).await.contains("not one of the sandbox's"));
    sandbox.shutdown().await;
}

// authority 2, 16
#[tokio::test]
async fn a_body_beyond_a_megabyte_is_refused() {
    let sandbox = start().await;
    let url = format!("{}/{}/oauth2/v2.0/token", sandbox.ready().authority, sandbox.ready().tenant_id);
    let form = [("client_assertion", "x".repeat(1 << 20))];
    let response = client(sandbox.ready()).post(url).form(&form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error_codes"], json!([9_002_313]));
    sandbox.shutdown().await;
}
