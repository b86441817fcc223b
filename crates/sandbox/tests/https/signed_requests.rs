//! Proof of possession by signed requests (SHR), as a client makes it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaPublicKeyComponents};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use unattended_sandbox::Ready;

use crate::{administrator_token_with, claims, client, start};

/// A key that a client holds.
struct Holder {
    key: KeyPair,
    jwk: Value,
    kid: String,
}

impl Holder {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let [e, n] = [&public.e, &public.n].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        // RFC 7638: the members in order.
        let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Self { key, jwk: json!({ "kty": "RSA", "e": e, "n": n }), kid }
    }

    /// A token that is bound to the key.
    async fn token(&self, ready: &Ready) -> Value {
        let confirmation = BASE64_URL_SAFE_NO_PAD.encode(json!({ "kid": self.kid }).to_string());
        let more = [("token_type", "pop"), ("req_cnf", confirmation.as_str())];
        administrator_token_with(ready, "https://graph.microsoft.com", &more).await
    }

    /// The header for one request; the nonce makes each another one.
    fn sign(&self, token: &str, method: &str, url: &str, nonce: u32) -> String {
        let url: http::Uri = url.parse().unwrap();
        let iat = claims(token)["iat"].as_i64().unwrap();
        let body = json!({
            "at": token, "ts": iat + 300, "m": method, "u": url.authority().unwrap().as_str(), "p": url.path(),
            "nonce": nonce.to_string(), "cnf": { "jwk": self.jwk },
        });
        let header = json!({ "alg": "PS256", "typ": "pop", "kid": self.kid });
        let [header, body] = [header, body].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{body}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("PoP {message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn get(ready: &Ready, url: &str, authorization: &str) -> u16 {
    let request = client(ready).get(url).header("authorization", authorization);
    request.send().await.unwrap().status().as_u16()
}

// runtime S4: a bound token is accepted once with the right method, host and path; replay, another path, and use as a
// bearer token are refused
#[tokio::test]
async fn a_token_bound_to_a_key_is_taken_in_a_signed_request_alone_and_each_of_them_once() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let (mine, other) = (Holder::new(), Holder::new());
    let answer = mine.token(ready).await;
    assert_eq!(answer["token_type"], "pop", "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["cnf"], json!({ "kid": mine.kid }));

    let users = format!("{}/users?$top=1", ready.graph);
    let signed = mine.sign(token, "GET", &users, 1);
    assert_eq!(get(ready, &users, &signed).await, 200);
    assert_eq!(get(ready, &users, &signed).await, 401, "a replay");
    assert_eq!(get(ready, &users, &mine.sign(token, "GET", &users, 2)).await, 200);

    let groups = format!("{}/groups", ready.graph);
    assert_eq!(get(ready, &groups, &mine.sign(token, "GET", &users, 3)).await, 401, "another path");
    assert_eq!(get(ready, &users, &mine.sign(token, "POST", &users, 4)).await, 401, "another method");
    let elsewhere = users.replace("localhost", "graph.example");
    assert_eq!(get(ready, &users, &mine.sign(token, "GET", &elsewhere, 5)).await, 401, "another host");
    assert_eq!(get(ready, &users, &other.sign(token, "GET", &users, 6)).await, 401, "another key");
    for scheme in ["Bearer", "mtls_pop", "PoP"] {
        assert_eq!(get(ready, &users, &format!("{scheme} {token}")).await, 401, "{scheme}");
    }
    // A bearer token is none that could be shown as bound.
    let plain = administrator_token_with(ready, "https://graph.microsoft.com", &[]).await;
    let plain = plain["access_token"].as_str().unwrap();
    assert_eq!(get(ready, &users, &mine.sign(plain, "GET", &users, 7)).await, 401);
    sandbox.shutdown().await;
}

// A vault knows tokens that are bound to certificates, and no signed requests.
#[tokio::test]
async fn a_vault_takes_no_signed_request() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let holder = Holder::new();
    let confirmation = BASE64_URL_SAFE_NO_PAD.encode(json!({ "kid": holder.kid }).to_string());
    let more = [("token_type", "pop"), ("req_cnf", confirmation.as_str())];
    let answer = administrator_token_with(ready, "https://vault.azure.net", &more).await;
    let token = answer["access_token"].as_str().unwrap();
    let url = format!("{}/secrets?api-version=7.4", ready.vault);
    assert_eq!(get(ready, &url, &holder.sign(token, "GET", &url, 1)).await, 401);
    assert_eq!(get(ready, &url, &format!("Bearer {token}")).await, 401);
    sandbox.shutdown().await;
}
