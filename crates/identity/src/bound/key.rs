//! A key that tokens are bound to, and its proofs (RFC 9449).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde::Serialize;
use unattended_core::{Clock, Entropy, Possession, TokenSourceError};

use crate::error::Error;

const HEADER: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Servers whose nonces are remembered: an authorization server and a few web APIs. One more drops the oldest, which
/// costs its server one repeated request.
const MOST_NONCES: usize = 64;

/// Longer than any nonce that fits its purpose.
const LONGEST_NONCE: usize = 512;

/// A key pair that tokens are bound to (DPoP, RFC 9449): whoever steals such a token cannot use it without the key. Made
/// anew in each process and never written anywhere. Clones are the same key, which may be used with any number of
/// clients, scopes and web APIs.
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    jwk: Jwk,
    thumbprint: String,
    /// The latest nonce of each server, the oldest first.
    nonces: Mutex<Vec<(Server, String)>>,
}

/// Who wants a nonce. An authorization server and a web API may share an origin and yet have each its own (RFC 9449
/// section 9).
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Server {
    Authorization(String),
    Resource(String),
}

/// The public key; members in the order that its thumbprint is taken of (RFC 7638 section 3).
#[derive(Serialize)]
struct Jwk {
    crv: &'static str,
    kty: &'static str,
    x: String,
    y: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: &'a Jwk,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    htm: &'a str,
    htu: String,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

impl DpopKey {
    /// A new key on P-256.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn generate() -> Result<Self, Error> {
        let unusable = || Error::credential("a key for DPoP cannot be made");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| unusable())?;
        // An uncompressed point: a byte that says so, and two coordinates (SEC 1 section 2.3.3).
        let (x, y) = match pair.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => {
                let (x, y) = point.split_at(32);
                (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
            }
            _ => return Err(unusable()),
        };
        let jwk = Jwk { crv: "P-256", kty: "EC", x, y };
        let canonical = serde_json::to_vec(&jwk).map_err(|_| unusable())?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &canonical));
        Ok(Self(Arc::new(Inner { pair, jwk, thumbprint, nonces: Mutex::default() })))
    }

    /// The thumbprint of the public key (RFC 7638), which bound tokens carry as `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    pub(super) fn nonce_of(&self, server: &Server) -> Option<String> {
        self.nonces().iter().find(|(of, _)| of == server).map(|(_, nonce)| nonce.clone())
    }

    pub(super) fn remember(&self, server: Server, nonce: &str) {
        let mut nonces = self.nonces();
        match nonces.iter_mut().find(|(of, _)| *of == server) {
            Some((_, known)) if known == nonce => {}
            Some((_, known)) => nonce.clone_into(known),
            None => {
                if nonces.len() >= MOST_NONCES {
                    nonces.remove(0);
                }
                nonces.push((server, nonce.to_owned()));
            }
        }
    }

    pub(super) fn nonces(&self) -> MutexGuard<'_, Vec<(Server, String)>> {
        self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Eq for DpopKey {}

impl PartialEq for DpopKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}

impl Hash for DpopKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.thumbprint.hash(state);
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DpopKey").field(&self.0.thumbprint).finish()
    }
}

/// A key with what else a proof is made of.
#[derive(Clone, Debug)]
pub(crate) struct Prover {
    pub(crate) key: DpopKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Prover {
    /// The proof for one request (RFC 9449 section 4.2), which a token goes with unless it is one that asks for a token.
    pub(crate) fn proof(
        &self,
        method: &Method,
        uri: &Uri,
        token: Option<&str>,
    ) -> Result<(HeaderName, HeaderValue), Error> {
        let key = &*self.key.0;
        let origin = origin(uri);
        let claims = Claims {
            jti: self.entropy.uuid(),
            htm: method.as_str(),
            htu: format!("{origin}{}", uri.path()),
            iat: self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            ath: token.map(|token| URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))),
            nonce: self.key.nonce_of(&match token {
                Some(_) => Server::Resource(origin),
                None => Server::Authorization(origin),
            }),
        };
        let header = Header { typ: "dpop+jwt", alg: "ES256", jwk: &key.jwk };
        let unproven = || Error::credential("the key for DPoP gave no proof");
        let mut proof = String::with_capacity(768);
        for (separator, part) in [("", serde_json::to_vec(&header)), (".", serde_json::to_vec(&claims))] {
            proof.push_str(separator);
            URL_SAFE_NO_PAD.encode_string(part.map_err(|_| unproven())?, &mut proof);
        }
        let signature = key.pair.sign(&SystemRandom::new(), proof.as_bytes()).map_err(|_| unproven())?;
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut proof);
        Ok((HEADER, HeaderValue::try_from(proof).map_err(|_| unproven())?))
    }

    /// Looks at an answer of a token endpoint.
    pub(crate) fn heed_authority(&self, uri: &Uri, headers: &HeaderMap) {
        self.remember(Server::Authorization(origin(uri)), headers);
    }

    fn remember(&self, server: Server, headers: &HeaderMap) {
        let nonce = headers.get(NONCE).and_then(|value| value.to_str().ok());
        if let Some(nonce) = nonce.filter(|nonce| is_nonce(nonce)) {
            self.key.remember(server, nonce);
        }
    }
}

impl Possession for Prover {
    fn prove(
        &self,
        method: &Method,
        uri: &Uri,
        token: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, TokenSourceError> {
        Ok(Some(self.proof(method, uri, Some(token))?))
    }

    fn heed(&self, uri: &Uri, headers: &HeaderMap) {
        self.remember(Server::Resource(origin(uri)), headers);
    }
}

/// RFC 9449 section 8.1.
fn is_nonce(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !text.is_empty() && text.len() <= LONGEST_NONCE && text.bytes().all(is_allowed)
}

/// Scheme and host in lower case, without the port of the scheme (RFC 3986 section 6.2).
fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let default = if scheme == "https" { 443 } else { 80 };
    match uri.port_u16() {
        Some(port) if port != default => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    }
}
