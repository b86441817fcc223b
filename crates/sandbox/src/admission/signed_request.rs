//! Signed requests (SHR, draft-ietf-oauth-signed-http-request-03, as the platform's clients write them): a token that is
//! bound to a key is shown inside of a JWT that the key signs for one request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use axum::http::Method;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;

use crate::authority::decoded_parts;

/// How far the time of a signature may be from now, in seconds. Within it a signed request is taken once.
const LIFE: i64 = 300;

/// More than so many are looked through for those that are too old anyway.
const MANY: usize = 10_000;

/// The request that was made, as the signature has to name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) method: &'a Method,
    /// Host and port, as the client named them.
    pub(crate) host: &'a str,
    /// The path from the origin on, as it was sent.
    pub(crate) path: &'a str,
}

/// A signed request that was read and not yet believed.
pub(super) struct SignedRequest {
    algorithm: &'static RsaParameters,
    claims: Claims,
    message: String,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    /// The access token.
    at: String,
    /// When it was signed, in Unix seconds.
    ts: f64,
    /// Method, host and path.
    m: String,
    u: String,
    p: String,
    cnf: Confirmation,
}

#[derive(Deserialize)]
struct Confirmation {
    jwk: Jwk,
}

/// An RSA key (RFC 7518 section 6.3.1).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    n: String,
    e: String,
}

impl Jwk {
    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let members = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, self.e, self.n);
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }

    fn components(&self) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
        let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        Some(RsaPublicKeyComponents { n: decoded(&self.n)?, e: decoded(&self.e)? })
    }
}

impl SignedRequest {
    /// Reads the compact serialization; `None` if it is no signed request, or one with another algorithm than RS256 and
    /// PS256.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (header, claims, message, signature) = decoded_parts::<Header, Claims>(text)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            _ => return None,
        };
        Some(Self { algorithm, claims, message: message.to_owned(), signature })
    }

    pub(super) fn token(&self) -> &str {
        &self.claims.at
    }

    /// Whether the key with this thumbprint signed it, for the request that was made, about now (Unix seconds).
    fn is_good(&self, key: &str, made: Made<'_>, now: i64) -> bool {
        let claims = &self.claims;
        // A cast of a float saturates.
        let is_now = (claims.ts as i64).abs_diff(now) <= LIFE.unsigned_abs();
        let is_for_this = claims.m == made.method.as_str()
            && claims.u.eq_ignore_ascii_case(made.host)
            && claims.p == made.path;
        let jwk = &claims.cnf.jwk;
        let is_the_key = jwk.kty == "RSA" && jwk.thumbprint() == key;
        is_now
            && is_for_this
            && is_the_key
            && jwk.components().is_some_and(|public| {
                public.verify(self.algorithm, self.message.as_bytes(), &self.signature).is_ok()
            })
    }
}

/// The signed requests that were taken, so that none is taken twice. In memory: a restart forgets.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<HashMap<[u8; 32], i64>>);

impl Taken {
    /// Takes a signed request; whether it is good and was never taken before.
    pub(super) fn take(&self, request: &SignedRequest, key: &str, made: Made<'_>, now: i64) -> bool {
        if !request.is_good(key, made, now) {
            return false;
        }
        // What was signed, not the signature: that may be made anew by its holder alone, and this cannot be changed.
        let Ok(name) = digest(&SHA256, request.message.as_bytes()).as_ref().try_into() else { return false };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MANY {
            taken.retain(|_, signed_at| signed_at.abs_diff(now) <= LIFE.unsigned_abs());
        }
        taken.insert(name, request.claims.ts as i64).is_none()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn made() -> Made<'static> {
        Made { method: &Method::GET, host: "localhost:8443", path: "/graph/v1.0/users" }
    }

    fn claims(key: &KeyPair) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({ "kty": "RSA", "n": encoded(&public.n), "e": encoded(&public.e) });
        json!({ "at": "token", "ts": NOW, "m": "GET", "u": "localhost:8443", "p": "/graph/v1.0/users",
            "nonce": "1", "cnf": { "jwk": jwk } })
    }

    fn sign(key: &KeyPair, alg: &str, claims: &Value) -> String {
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(&json!({ "alg": alg, "typ": "pop" })), encoded(claims));
        let mut signature = vec![0; key.public_modulus_len()];
        let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
            if alg == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        key.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn thumbprint(claims: &Value) -> String {
        serde_json::from_value::<Jwk>(claims["cnf"]["jwk"].clone()).unwrap().thumbprint()
    }

    // authority 11 (cnf), runtime S4
    #[test]
    fn a_signed_request_is_good_for_the_request_that_it_names_and_once() {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        for alg in ["RS256", "PS256"] {
            let claims = claims(&key);
            let kid = thumbprint(&claims);
            let read = |claims: &Value| SignedRequest::read(&sign(&key, alg, claims)).unwrap();
            let taken = Taken::default();
            let good = read(&claims);
            assert_eq!(good.token(), "token");
            assert!(taken.take(&good, &kid, made(), NOW) && !taken.take(&good, &kid, made(), NOW));
            assert!(!taken.take(&read(&claims), &kid, made(), NOW), "the same again with another signature");

            let is_good = |changes: Value| {
                let mut changed = claims.clone();
                changed.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
                Taken::default().take(&read(&changed), &kid, made(), NOW)
            };
            assert!(is_good(json!({ "ts": NOW - 300 })) && is_good(json!({ "u": "LOCALHOST:8443" })));
            for wrong in [
                json!({ "ts": NOW - 301 }),
                json!({ "ts": NOW + 301 }),
                json!({ "ts": f64::MAX }),
                json!({ "m": "POST" }),
                json!({ "m": "get" }),
                json!({ "u": "localhost" }),
                json!({ "p": "/graph/v1.0/users/" }),
            ] {
                assert!(!is_good(wrong.clone()), "{wrong}");
            }
            assert!(!Taken::default().take(&good, "another key", made(), NOW));
        }
    }

    #[test]
    fn who_signs_with_another_key_than_it_shows_is_refused() {
        let [mine, other] = [(); 2].map(|()| KeyPair::generate(KeySize::Rsa2048).unwrap());
        let claims = claims(&mine);
        let forged = SignedRequest::read(&sign(&other, "RS256", &claims)).unwrap();
        assert!(!Taken::default().take(&forged, &thumbprint(&claims), made(), NOW));
    }

    #[test]
    fn what_is_no_signed_request_is_none() {
        for text in ["", "a.b.c", "e30.e30.e30", "é.é.é"] {
            assert!(SignedRequest::read(text).is_none(), "{text}");
        }
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims =
            r#"{"at":"t","ts":1,"m":"GET","u":"h","p":"/","cnf":{"jwk":{"kty":"RSA","n":"*","e":"AQAB"}}}"#;
        assert!(
            SignedRequest::read(&format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(claims))).is_none()
        );
        let read = SignedRequest::read(&format!("{}.{}.", encoded(r#"{"alg":"RS256"}"#), encoded(claims)));
        let (read, made) = (read.unwrap(), Made { host: "h", path: "/", ..made() });
        assert!(!read.is_good(&read.claims.cnf.jwk.thumbprint(), made, 1));
    }
}
