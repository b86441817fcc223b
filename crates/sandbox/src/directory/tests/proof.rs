//! `addKey` and `removeKey` with a proof of possession.

use axum::http::Method;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::{NOW, Reply, World};

/// A key of an application.
struct Key(KeyPair);

impl Key {
    fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap())
    }

    fn credential(&self) -> Value {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let der = params.self_signed(&self.0).unwrap().der().to_vec();
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64_STANDARD.encode(der) })
    }

    fn proof(&self, application: &str, replaced: &Value) -> String {
        let mut claims = json!({
            "aud": "00000002-0000-0000-c000-000000000000", "iss": application, "nbf": NOW, "exp": NOW + 600,
        });
        for (name, value) in replaced.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
        let pair = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&self.0.serialize_der()).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let padding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
        pair.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

struct Application {
    world: World,
    id: String,
    app_id: String,
}

impl Application {
    async fn new(keys: &[&Key]) -> Self {
        let world = World::new();
        let keys: Vec<Value> = keys.iter().map(|key| key.credential()).collect();
        let made = json!({ "displayName": "daemon", "keyCredentials": keys });
        let made = world.post("/v1.0/applications", &made).await.is(201).body;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("id"), app_id: text("appId"), world }
    }

    /// Asks as the application itself, which has no permission at all.
    async fn roll(&self, action: &str, body: &Value) -> Reply {
        let token = self.world.token_with(&json!({ "azp": self.app_id, "roles": [] }));
        let path = format!("/v1.0/applications/{}/{action}", self.id);
        self.world.ask(&token, Method::POST, &path, Some(body)).await
    }

    async fn keys(&self) -> usize {
        let path = format!("/v1.0/applications/{}", self.id);
        self.world.get(&path).await.is(200).body["keyCredentials"].as_array().unwrap().len()
    }
}

// directory 4.3
#[tokio::test]
async fn an_application_rolls_its_own_keys_over_without_any_permission() {
    let (old, new) = (Key::new(), Key::new());
    let application = Application::new(&[&old]).await;
    let nothing = json!({});
    let add = json!({
        "keyCredential": new.credential(), "passwordCredential": null, "proof": old.proof(&application.id, &nothing),
    });
    let added = application.roll("addKey", &add).await.is(200).body;
    assert_eq!((&added["type"], &added["key"]), (&json!("AsymmetricX509Cert"), &Value::Null));
    assert_eq!(application.keys().await, 2);
    // The new key proves possession as well as the old one did.
    let remove = json!({ "keyId": added["keyId"], "proof": new.proof(&application.id, &nothing) });
    application.roll("removeKey", &remove).await.is(204);
    assert_eq!(application.keys().await, 1);
    application.roll("removeKey", &remove).await.is(401);
}

// directory 4.3: the same actions on service principals
#[tokio::test]
async fn an_application_rolls_the_keys_of_its_service_principal_over() {
    let (first, second, third) = (Key::new(), Key::new(), Key::new());
    let application = Application::new(&[&first]).await;
    let world = &application.world;
    let principal =
        world.post("/v1.0/servicePrincipals", &json!({ "appId": application.app_id })).await.is(201);
    let id = principal.body["id"].as_str().unwrap();
    let path = format!("/v1.0/servicePrincipals/{id}");
    let as_itself = world.token_with(&json!({ "azp": application.app_id, "roles": [] }));
    let roll = async |action: &str, body: &Value| {
        world.ask(&as_itself, Method::POST, &format!("{path}/{action}"), Some(body)).await
    };
    let keys = async || {
        let shown = world.get(&format!("{path}?$select=keyCredentials")).await.is(200).body;
        shown["keyCredentials"].as_array().unwrap().len()
    };
    // The keys of the application prove nothing about its service principal.
    let add = |new: &Key, old: &Key, issuer: &str| json!({ "keyCredential": new.credential(), "proof": old.proof(issuer, &json!({})) });
    roll("addKey", &add(&second, &first, id)).await.is(400);
    world.patch(&path, &json!({ "keyCredentials": [second.credential()] })).await.is(204);
    roll("addKey", &add(&third, &first, id)).await.is(401);
    roll("addKey", &add(&third, &second, &application.id)).await.is(401);
    let added = roll("addKey", &add(&third, &second, id)).await.is(200).body;
    assert_eq!(keys().await, 2);
    let remove = json!({ "keyId": added["keyId"], "proof": third.proof(id, &json!({})) });
    roll("removeKey", &remove).await.is(204);
    assert_eq!((keys().await, application.keys().await), (1, 1));
    // What hangs on it comes back with it.
    world.delete(&path).await.is(204);
    world.all(Method::POST, &format!("/v1.0/directory/deletedItems/{id}/restore"), None).await.is(200);
    assert_eq!(keys().await, 1);
}

// directory 4.3
#[tokio::test]
async fn a_proof_that_is_none_adds_nothing() {
    let (key, other) = (Key::new(), Key::new());
    let application = Application::new(&[&key]).await;
    let good = key.proof(&application.id, &json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    for proof in [
        other.proof(&application.id, &json!({})),
        key.proof(&application.app_id, &json!({})),
        key.proof(&application.id, &json!({ "aud": "00000003-0000-0000-c000-000000000000" })),
        key.proof(&application.id, &json!({ "exp": NOW + 601 })),
        key.proof(&application.id, &json!({ "nbf": NOW - 1_000, "exp": NOW - 500 })),
        key.proof(&application.id, &json!({ "nbf": NOW + 400, "exp": NOW + 500 })),
        format!("{message}x.{signature}"),
        "nothing".into(),
    ] {
        let add = json!({ "keyCredential": other.credential(), "passwordCredential": null, "proof": proof });
        application.roll("addKey", &add).await.is(401);
    }
    let add = json!({ "keyCredential": other.credential() });
    application.roll("addKey", &add).await.is(400);
    assert_eq!(application.keys().await, 1);
}

#[tokio::test]
async fn an_application_without_a_key_or_somebody_else_rolls_nothing() {
    let key = Key::new();
    let bare = Application::new(&[]).await;
    let add = json!({ "keyCredential": key.credential(), "proof": key.proof(&bare.id, &json!({})) });
    bare.roll("addKey", &add).await.is(400);
    let path = format!("/v1.0/applications/{}/addKey", bare.id);
    let stranger = bare.world.token(&["User.ReadWrite.All"]);
    bare.world.ask(&stranger, Method::POST, &path, Some(&add)).await.is(403);
    let owner_of_nothing = bare.world.token(&["Application.ReadWrite.OwnedBy"]);
    bare.world.ask(&owner_of_nothing, Method::POST, &path, Some(&add)).await.is(403);
}
