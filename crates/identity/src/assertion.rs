//! The signed client assertion (RFC 7523 section 3, RFC 7515).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::credential::{AuthenticationContext, ClientCertificate, SigningAlgorithm};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5c: Option<&'a [String]>,
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

/// A compact JWS, good for ten minutes and for one attempt.
pub(crate) async fn sign(
    certificate: &ClientCertificate,
    context: &AuthenticationContext<'_>,
) -> Result<Zeroizing<String>, Error> {
    let now = seconds(context.now);
    let algorithm = certificate.algorithm();
    let chain = certificate.chain();
    let header = Header {
        alg: algorithm.name(),
        typ: "JWT",
        thumbprint: &chain.x5t_s256,
        x5t: (algorithm == SigningAlgorithm::Rs256).then_some(chain.x5t.as_str()),
        x5c: certificate.sends_chain().then_some(chain.x5c.as_slice()),
    };
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
    let signature = certificate.sign(assertion.as_bytes()).await?;
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
