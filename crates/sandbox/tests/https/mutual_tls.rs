//! The second door of the port, through real TLS.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{Certificate, Identity};
use serde_json::{Value, json};
use unattended_sandbox::Ready;

use crate::{administrator_token, claims, client, start};

/// A self-signed certificate as clients hold it.
struct Held {
    certificate: String,
    identity: Identity,
}

impl Held {
    fn new() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let identity =
            Identity::from_pem(format!("{}{certificate}", key.serialize_pem()).as_bytes()).unwrap();
        Self { certificate, identity }
    }
}

/// The address of a URL of the sandbox behind the second door.
fn behind_the_door(url: &str) -> String {
    url.replace("https://localhost", "https://mtlsauth.localhost")
}

/// A client that knows where `mtlsauth.localhost` is, and may hold a certificate.
fn holder(ready: &Ready, identity: Option<&Identity>) -> reqwest::Client {
    let ca = Certificate::from_pem(&fs::read(&ready.ca_file).unwrap()).unwrap();
    let mut builder = reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .resolve("mtlsauth.localhost", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))
        .timeout(Duration::from_secs(20));
    if let Some(identity) = identity {
        builder = builder.identity(identity.clone());
    }
    builder.build().unwrap()
}

/// Registers an application that has a certificate and may read users; returns its client id.
async fn register(ready: &Ready, certificate: &str) -> String {
    let token = administrator_token(ready).await["access_token"].as_str().unwrap().to_owned();
    let post = async |path: &str, body: Value| {
        let request = client(ready).post(format!("{}/{path}", ready.graph)).bearer_auth(&token).json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        response.json::<Value>().await.unwrap()
    };
    let key: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    let key = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": key });
    let application = post("applications", json!({ "displayName": "bound", "keyCredentials": [key] })).await;
    let app_id = application["appId"].as_str().unwrap().to_owned();
    let principal = post("servicePrincipals", json!({ "appId": app_id })).await;
    let graph = client(ready)
        .get(format!("{}/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')", ready.graph))
        .bearer_auth(&token);
    let graph: Value = graph.send().await.unwrap().json().await.unwrap();
    let grant = json!({ "principalId": principal["id"], "resourceId": graph["id"],
        "appRoleId": "df021288-bdef-4463-88db-98f22de89214" });
    post(&format!("servicePrincipals/{}/appRoleAssignments", principal["id"].as_str().unwrap()), grant).await;
    app_id
}

async fn ask(ready: &Ready, client: &reqwest::Client, app_id: &str, more: &[(&str, &str)]) -> Value {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", app_id),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    form.extend_from_slice(more);
    let url = behind_the_door(&format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id));
    client.post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

// authority 7.5
#[tokio::test]
async fn a_bound_token_reads_users_with_its_certificate_and_never_without() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let (mine, other) = (Held::new(), Held::new());
    let app_id = register(ready, &mine.certificate).await;
    let (holder_of_mine, stranger) =
        (holder(ready, Some(&mine.identity)), holder(ready, Some(&other.identity)));

    let answer = ask(ready, &holder_of_mine, &app_id, &[("token_type", "mtls_pop")]).await;
    assert_eq!(answer["token_type"], "mtls_pop", "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    assert!(claims(token)["cnf"]["x5t#S256"].is_string());

    let users = format!("{}/users?$top=1", ready.graph);
    let read = async |client: &reqwest::Client, url: &str, scheme: &str, token: &str| {
        let request = client.get(url).header("authorization", format!("{scheme} {token}"));
        request.send().await.unwrap().status().as_u16()
    };
    let behind = behind_the_door(&users);
    assert_eq!(read(&holder_of_mine, &behind, "mtls_pop", token).await, 200);
    assert_eq!(read(&holder_of_mine, &behind, "Bearer", token).await, 200);
    assert_eq!(read(&stranger, &behind, "mtls_pop", token).await, 401);
    assert_eq!(read(&holder(ready, None), &behind, "Bearer", token).await, 401);
    // The ordinary door asks nobody for a certificate, so that nobody has shown one there.
    assert_eq!(read(&holder_of_mine, &users, "Bearer", token).await, 401);

    // A token that is bound to nothing is a bearer token behind either door, and no bound one.
    let plain = ask(ready, &holder_of_mine, &app_id, &[]).await;
    let plain = plain["access_token"].as_str().unwrap();
    assert_eq!(read(&holder_of_mine, &users, "Bearer", plain).await, 200);
    assert_eq!(read(&holder(ready, None), &behind, "Bearer", plain).await, 200);
    assert_eq!(read(&holder_of_mine, &behind, "mtls_pop", plain).await, 401);
    sandbox.shutdown().await;
}

// authority 7.5: 392200, 700027; 4: mtls_endpoint_aliases
#[tokio::test]
async fn the_door_is_found_in_the_metadata_and_wants_a_certificate() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let (mine, other) = (Held::new(), Held::new());
    let app_id = register(ready, &mine.certificate).await;
    let url = format!("{}/{}/v2.0/.well-known/openid-configuration", ready.authority, ready.tenant_id);
    let metadata: Value = client(ready).get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        metadata["mtls_endpoint_aliases"]["token_endpoint"],
        behind_the_door(metadata["token_endpoint"].as_str().unwrap())
    );
    let without = ask(ready, &holder(ready, None), &app_id, &[]).await;
    assert_eq!(without["error_codes"], json!([392_200]));
    let wrong = ask(ready, &holder(ready, Some(&other.identity)), &app_id, &[]).await;
    assert_eq!(wrong["error_codes"], json!([700_027]));
    sandbox.shutdown().await;
}
