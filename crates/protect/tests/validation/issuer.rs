//! An issuer of tokens for tests.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use unattended_protect::StaticKeys;

pub(crate) struct Issuer {
    kid: &'static str,
    pair: RsaKeyPair,
    public: RsaPublicKeyComponents<Vec<u8>>,
}

impl Issuer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key().into();
        Self { kid, pair, public }
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({ "kty": "RSA", "use": "sig", "kid": self.kid,
            "n": base64url(&self.public.n), "e": base64url(&self.public.e) })
    }

    pub(crate) fn keys(&self) -> Arc<StaticKeys> {
        Arc::new(StaticKeys::from_jwks(&json!({ "keys": [self.jwk()] }).to_string()).unwrap())
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(&json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid }), claims)
    }

    pub(crate) fn sign_as(&self, kid: &str, claims: &Value) -> String {
        self.sign_with_header(&json!({ "alg": "RS256", "kid": kid }), claims)
    }

    pub(crate) fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        compose(header, claims, |message| self.signature(&RSA_PKCS1_SHA256, message))
    }

    pub(crate) fn sign_with_pss(&self, claims: &Value) -> String {
        let header = json!({ "alg": "PS256", "kid": self.kid });
        compose(&header, claims, |message| self.signature(&RSA_PSS_SHA256, message))
    }

    pub(crate) fn sign_with_public_key_as_secret(&self, claims: &Value) -> String {
        let header = json!({ "alg": "HS256", "kid": self.kid });
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.pair.public_key().as_ref());
        compose(&header, claims, |message| hmac::sign(&secret, message).as_ref().to_vec())
    }

    pub(crate) fn parts(&self, claims: &Value) -> [String; 3] {
        let parts: Vec<String> = self.sign(claims).split('.').map(ToOwned::to_owned).collect();
        parts.try_into().unwrap()
    }

    fn signature(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

fn compose(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64url(&signature))
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
