//! Other issuers, and the network that leads to them.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use serde_json::{Value, json};
use unattended_core::{HttpClient, HttpError, HttpErrorKind, ResponseBody};

pub(super) const ISSUER: &str = "https://token.actions.example";

/// Documents by URL; every other address cannot be connected to.
#[derive(Debug, Default)]
pub(super) struct Internet {
    documents: Mutex<HashMap<String, Value>>,
    asked: Mutex<Vec<String>>,
}

impl Internet {
    pub(super) fn serve(&self, url: &str, document: Value) {
        self.documents.lock().unwrap().insert(url.to_owned(), document);
    }

    /// Serves the metadata of [`ISSUER`] and these keys.
    pub(super) fn publish(&self, keys: &[&IssuerKey]) {
        let jwks_uri = format!("{ISSUER}/keys");
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.serve(&jwks_uri, json!({ "keys": keys }));
        let metadata = json!({ "issuer": ISSUER, "jwks_uri": jwks_uri });
        self.serve(&format!("{ISSUER}/.well-known/openid-configuration"), metadata);
    }

    pub(super) fn fail(&self) {
        self.documents.lock().unwrap().clear();
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl HttpClient for Internet {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
        let url = request.uri().to_string();
        let document = self.documents.lock().unwrap().get(&url).map(Value::to_string);
        self.asked.lock().unwrap().push(url);
        let answer = document
            .map(|body| http::Response::new(ResponseBody::full(body)))
            .ok_or_else(|| HttpError::new(HttpErrorKind::Connect, "connection refused"));
        Box::pin(std::future::ready(answer))
    }
}

/// A key of another issuer.
pub(super) struct IssuerKey {
    kid: &'static str,
    pair: RsaKeyPair,
}

impl IssuerKey {
    pub(super) fn new(kid: &'static str) -> Self {
        Self { kid, pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    fn jwk(&self) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        json!({ "kty": "RSA", "use": "sig", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e) })
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as("RS256", claims)
    }

    /// Signs with RS256 and says what the header shall say.
    pub(super) fn sign_as(&self, algorithm: &str, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": self.kid });
        let message = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
