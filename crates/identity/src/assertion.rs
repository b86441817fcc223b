//! The signed client assertion (RFC 7523 section 3, RFC 7515).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::credential::AuthenticationContext;
use crate::error::Error;

/// `client_assertion_type`.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const LIFETIME: Duration = Duration::from_secs(600);

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: &'a str,
    nbf: u64,
    iat: u64,
    exp: u64,
}

/// A compact JWS, signed with PS256, good for ten minutes and for one attempt.
pub(crate) fn sign(
    key: &RsaKeyPair,
    sha256_thumbprint: &[u8],
    context: &AuthenticationContext<'_>,
) -> Result<Zeroizing<String>, Error> {
    let now = seconds(context.now);
    let header = Header { alg: "PS256", typ: "JWT", thumbprint: &URL_SAFE_NO_PAD.encode(sha256_thumbprint) };
    let claims = Claims {
        aud: context.token_endpoint,
        iss: context.client_id,
        sub: context.client_id,
        jti: context.unique_id,
        nbf: now,
        iat: now,
        exp: now + LIFETIME.as_secs(),
    };
    let mut assertion = Zeroizing::new(String::with_capacity(2_048));
    encode_json(&header, &mut assertion)?;
    assertion.push('.');
    encode_json(&claims, &mut assertion)?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), assertion.as_bytes(), &mut signature)
        .map_err(|_| Error::credential("the private key cannot sign the client assertion"))?;
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
    Ok(assertion)
}

fn encode_json(value: &impl Serialize, text: &mut String) -> Result<(), Error> {
    let json = serde_json::to_vec(value)
        .map_err(|cause| Error::credential("the client assertion cannot be written").caused_by(cause))?;
    URL_SAFE_NO_PAD.encode_string(json, text);
    Ok(())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
