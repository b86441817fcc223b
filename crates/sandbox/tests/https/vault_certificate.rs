//! A certificate that is kept in a vault: another identity fetches it, and a new version takes over while the old one is
//! still good.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use unattended_core::Clock as _;
use unattended_sandbox::Ready;

use crate::directory::Directory;
use crate::{administrator_token_for, start};

/// A new key with its certificate, as PEM.
fn pem() -> String {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    CertificateParams::default().self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn registered(pem: &str) -> Value {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64_STANDARD.encode(der) })
}

/// An assertion that is signed with what the vault handed out.
fn assertion(ready: &Ready, client_id: &str, pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let now = crate::clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
    let claims = json!({ "iss": client_id, "sub": client_id, "nbf": now, "exp": now + 300,
        "aud": format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id) });
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// The answer to a token request of a client that proves itself so.
async fn token(
    http: &reqwest::Client,
    ready: &Ready,
    resource: &str,
    client_id: &str,
    proof: &[(&str, &str)],
) -> Value {
    let scope = format!("{resource}/.default");
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", client_id), ("scope", &scope)];
    form.extend_from_slice(proof);
    let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
    http.post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

// S3
#[tokio::test]
async fn a_certificate_in_a_vault_is_fetched_under_another_identity_and_renewed() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let directory = Directory::of(ready).await;
    let http = &directory.client;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();

    let register = async |name: &str| {
        let made = directory.post("applications", json!({ "displayName": name })).await;
        directory.post("servicePrincipals", json!({ "appId": made["appId"] })).await;
        (format!("applications/{}", text(&made["id"])), text(&made["appId"]))
    };
    let (daemon_object, daemon) = register("daemon").await;
    let (reader_object, reader) = register("reader").await;
    let secret = directory.post(&format!("{reader_object}/addPassword"), json!({})).await;
    let control = std::fs::read_to_string(ready.ca_file.with_file_name("control.token")).unwrap();
    let grant = format!("{}/sandbox/vault/grants/{reader}/secrets-user", ready.authority);
    assert!(http.put(grant).bearer_auth(control).send().await.unwrap().status().is_success());

    let owner = text(&administrator_token_for(ready, "https://vault.azure.net").await["access_token"]);
    let import = async |pem: &str| {
        let url = format!("{}/certificates/daemon/import?api-version=7.4", ready.vault);
        let policy = json!({ "secret_props": { "contentType": "application/x-pem-file" } });
        let request = http.post(url).bearer_auth(&owner).json(&json!({ "value": pem, "policy": policy }));
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    let secret = text(&secret["secretText"]);
    let fetch = async || {
        let proof = [("client_secret", secret.as_str())];
        let reads = token(http, ready, "https://vault.azure.net", &reader, &proof).await;
        let url = format!("{}/secrets/daemon?api-version=7.4", ready.vault);
        let read = http.get(url).bearer_auth(text(&reads["access_token"])).send().await.unwrap();
        text(&read.json::<Value>().await.unwrap()["value"])
    };
    let prove = async |pem: &str| {
        let assertion = assertion(ready, &daemon, pem);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let proof = [("client_assertion_type", kind), ("client_assertion", &assertion)];
        token(http, ready, "https://graph.microsoft.com", &daemon, &proof).await
    };

    let (old, new) = (pem(), pem());
    import(&old).await;
    directory.patch(&daemon_object, json!({ "keyCredentials": [registered(&old)] })).await;
    let fetched = fetch().await;
    assert!(prove(&fetched).await["access_token"].is_string());

    // The new version is registered beside the old one, which goes when nobody signs with it any more.
    import(&new).await;
    let renewed = fetch().await;
    assert_ne!(fetched, renewed);
    assert_eq!(prove(&renewed).await["error_codes"], json!([700_027]));
    directory.patch(&daemon_object, json!({ "keyCredentials": [registered(&old), registered(&new)] })).await;
    for pem in [&fetched, &renewed] {
        assert!(prove(pem).await["access_token"].is_string());
    }
    directory.patch(&daemon_object, json!({ "keyCredentials": [registered(&new)] })).await;
    assert_eq!(prove(&fetched).await["error_codes"], json!([700_027]));
    assert!(prove(&renewed).await["access_token"].is_string());
    sandbox.shutdown().await;
}
