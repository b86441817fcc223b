//! Certificates and the secrets that hold their keys.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::{IDS, World};

/// A key and a certificate of it.
struct Pair {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Pair {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["daemon.contoso.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "daemon");
        let certificate = params.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    fn pem(&self) -> String {
        format!("{}{}", self.certificate.pem(), self.key.serialize_pem())
    }

    fn pkcs12(&self, password: &str) -> String {
        let key = PrivateKey::from_der(self.key.serialized_der()).unwrap();
        let certificate = p12_keystore::Certificate::from_der(self.certificate.der()).unwrap();
        let mut store = KeyStore::new();
        store.add_entry("x", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, [certificate])));
        BASE64_STANDARD.encode(store.writer(password).write().unwrap())
    }
}

async fn import(world: &World, name: &str, body: Value) -> super::Reply {
    world.ask("POST", &format!("/certificates/{name}/import"), body).await
}

// directory 11: certificate, private key
#[tokio::test]
async fn an_imported_pkcs12_file_is_a_certificate_and_a_secret_without_a_password() {
    let world = World::with("administrator");
    let pair = Pair::new();
    let body = json!({ "value": pair.pkcs12("p@ss"), "pwd": "p@ss", "tags": { "a": "b" } });
    let imported = import(&world, "tls", body).await.is(200).body;
    let der = pair.certificate.der();
    assert_eq!(imported["cer"], BASE64_STANDARD.encode(der));
    let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, der);
    assert_eq!(imported["x5t"], BASE64_URL_SAFE_NO_PAD.encode(sha1));
    let version = imported["id"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(imported["sid"], format!("{IDS}/secrets/tls/{version}"));
    assert_eq!(imported["kid"], format!("{IDS}/keys/tls/{version}"));
    let policy = &imported["policy"];
    assert_eq!(policy["secret_props"]["contentType"], "application/x-pkcs12");
    assert_eq!((&policy["key_props"]["kty"], &policy["key_props"]["crv"]), (&json!("EC"), &json!("P-256")));
    assert_eq!(policy["x509_props"]["subject"], "CN=daemon");
    assert_eq!(policy["x509_props"]["sans"]["dns_names"], json!(["daemon.contoso.com"]));

    let secret = world.get("/secrets/tls").await.is(200).body;
    assert_eq!((&secret["contentType"], &secret["managed"]), (&json!("application/x-pkcs12"), &json!(true)));
    assert_eq!(secret["kid"], imported["kid"]);
    let file = BASE64_STANDARD.decode(secret["value"].as_str().unwrap()).unwrap();
    let archive = Pkcs12Archive::from_pkcs12(&file, "").unwrap();
    assert_eq!(archive.keys[0].key.as_der(), pair.key.serialized_der());
    assert_eq!(archive.certs[0].cert.as_der(), &der[..]);

    assert_eq!(world.get("/certificates/tls/").await.is(200).body, imported);
    assert_eq!(world.get(&format!("/certificates/tls/{version}")).await.is(200).body, imported);
    assert_eq!(world.get("/certificates/tls/policy").await.is(200).body, *policy);
    assert_eq!(world.get("/certificates").await.is(200).names(), ["tls"]);
    assert_eq!(world.get("/certificates/tls/versions").await.is(200).names(), [version]);
}

#[tokio::test]
async fn imported_pem_comes_back_as_pem_or_as_what_the_policy_says() {
    let world = World::with("administrator");
    let pair = Pair::new();
    import(&world, "pem", json!({ "value": pair.pem() })).await.is(200);
    let secret = world.get("/secrets/pem").await.is(200).body;
    assert_eq!(secret["contentType"], "application/x-pem-file");
    let text = secret["value"].as_str().unwrap();
    let key = KeyPair::from_pem(text).unwrap();
    assert_eq!(key.serialized_der(), pair.key.serialized_der());
    assert!(text.contains("-----BEGIN CERTIFICATE-----"));

    // Some clients encode whatever they send.
    import(&world, "base64", json!({ "value": BASE64_STANDARD.encode(pair.pem()) })).await.is(200);
    assert_eq!(world.get("/secrets/base64").await.is(200).body["value"], *text);

    let policy = json!({ "secret_props": { "contentType": "application/x-pkcs12" } });
    import(&world, "pfx", json!({ "value": pair.pem(), "policy": policy })).await.is(200);
    let secret = world.get("/secrets/pfx").await.is(200).body;
    let file = BASE64_STANDARD.decode(secret["value"].as_str().unwrap()).unwrap();
    assert_eq!(Pkcs12Archive::from_pkcs12(&file, "").unwrap().keys.len(), 1);
}

#[tokio::test]
async fn what_is_no_certificate_with_its_key_is_refused() {
    let world = World::with("administrator");
    let (pair, other) = (Pair::new(), Pair::new());
    for body in [
        json!({}),
        json!({ "value": "bm8=" }),
        json!({ "value": pair.pkcs12("right"), "pwd": "wrong" }),
        json!({ "value": pair.certificate.pem() }),
        json!({ "value": pair.key.serialize_pem() }),
        json!({ "value": format!("{}{}", other.certificate.pem(), pair.key.serialize_pem()) }),
        json!({ "value": pair.pem(), "policy": { "secret_props": { "contentType": "text/plain" } } }),
    ] {
        let refused = import(&world, "c", body).await.is(400);
        assert_eq!(refused.error().0, "BadParameter");
    }
    world.set("taken", "v").await;
    import(&world, "taken", json!({ "value": pair.pem() })).await.is(409);
    assert_eq!(world.get("/certificates/c").await.is(404).error().0, "CertificateNotFound");
}

#[tokio::test]
async fn a_certificate_and_its_secret_change_and_go_together() {
    let world = World::with("administrator");
    let pair = Pair::new();
    import(&world, "c", json!({ "value": pair.pem() })).await.is(200);
    world.ask("PATCH", "/certificates/c", json!({ "attributes": { "enabled": false } })).await.is(200);
    let disabled = world.get("/secrets/c").await.is(403);
    assert_eq!(disabled.body["error"]["innererror"]["code"], "SecretDisabled");
    let before = world.get("/certificates/c").await.is(200).body;
    let changes = json!({ "attributes": { "enabled": true, "nbf": 1, "exp": 5 } });
    let after = world.ask("PATCH", "/certificates/c/", changes).await.is(200).body;
    for date in ["nbf", "exp"] {
        assert_eq!(after["attributes"][date], before["attributes"][date], "the certificate says it");
    }

    world.ask("DELETE", "/secrets/c", Value::Null).await.is(403);
    world.ask("PUT", "/secrets/c", json!({ "value": "v" })).await.is(403);
    let deleted = world.ask("DELETE", "/certificates/c", Value::Null).await.is(200).body;
    assert_eq!(deleted["recoveryId"], format!("{IDS}/deletedcertificates/c"));
    world.get("/secrets/c").await.is(404);
    world.ask("DELETE", "/deletedsecrets/c", Value::Null).await.is(403);
    let taken = import(&world, "c", json!({ "value": pair.pem() })).await.is(409);
    assert_eq!(taken.body["error"]["innererror"]["code"], "ObjectIsDeletedButRecoverable");
    world.ask("POST", "/deletedcertificates/c/recover", Value::Null).await.is(200);
    world.get("/secrets/c").await.is(200);
    world.ask("DELETE", "/certificates/c", Value::Null).await.is(200);
    world.ask("DELETE", "/deletedcertificates/c", Value::Null).await.is(204);
    import(&world, "c", json!({ "value": pair.pem() })).await.is(200);
    assert_eq!(world.get("/secrets/c/versions").await.is(200).names().len(), 1);
}

#[tokio::test]
async fn who_may_manage_certificates_may_not_read_their_keys() {
    let world = World::with("certificates-officer");
    import(&world, "c", json!({ "value": Pair::new().pem() })).await.is(200);
    world.get("/certificates/c").await.is(200);
    world.get("/secrets/c").await.is(403);
    world.grant("certificate-user");
    world.get("/secrets/c").await.is(200);
}
