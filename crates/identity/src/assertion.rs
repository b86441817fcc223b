//! The signed client assertion (RFC 7523 section 3, RFC 7515).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use unattended_core::Wiped;

use crate::credential::{AuthenticationContext, ClientCertificate, SigningAlgorithm};
use crate::error::Error;

/// `client_assertion_type`, as it stands in a form.
pub(crate) const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

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
) -> Result<Wiped<Vec<u8>>, Error> {
    let now = seconds(context.now);
    let begin = now.saturating_sub(context.leeway.as_secs());
    let claims = Claims {
        aud: context.token_endpoint,
        iss: context.client_id,
        sub: context.client_id,
        jti: &context.unique_id(),
        nbf: begin,
        iat: now,
        exp: begin + LIFETIME.as_secs(),
    };
    let (header, claims) = (certificate.assertion_header()?, json(&claims)?);
    // In one piece, so that all of it can be wiped.
    let room =
        header.len() + encoded_length(claims.len()) + encoded_length(certificate.signature_length()) + 2;
    let mut assertion = String::with_capacity(room);
    assertion.push_str(header);
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut assertion);
    let signature = certificate.sign(assertion.as_bytes()).await?;
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
    Ok(Wiped(assertion.into_bytes()))
}

/// The header of every assertion that this certificate signs, encoded.
pub(crate) fn header(certificate: &ClientCertificate) -> Result<String, Error> {
    let (algorithm, chain) = (certificate.algorithm(), certificate.chain());
    let header = Header {
        alg: algorithm.name(),
        typ: "JWT",
        thumbprint: &chain.x5t_s256,
        x5t: (algorithm == SigningAlgorithm::Rs256).then_some(chain.x5t.as_str()),
        x5c: certificate.sends_chain().then_some(chain.x5c.as_slice()),
    };
    Ok(URL_SAFE_NO_PAD.encode(json(&header)?))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut json = Vec::with_capacity(512);
    serde_json::to_writer(&mut json, value)
        .map_err(|cause| Error::credential("the client assertion cannot be written").caused_by(cause))?;
    Ok(json)
}

fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
