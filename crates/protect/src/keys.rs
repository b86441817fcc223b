//! The keys that issuers sign with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Finds the key that signed a token. The lookup happens on every request and does no I/O; an implementation that
/// fetches keys does so beside it.
pub trait KeySource: Send + Sync + 'static {
    /// The key with this `kid`, if the issuer publishes it.
    fn key(&self, kid: &str) -> Option<Arc<VerificationKey>>;
}

/// A public key, parsed once, with the algorithms that it may be used with.
pub struct VerificationKey {
    key: DecodingKey,
    algorithms: &'static [Algorithm],
}

impl VerificationKey {
    /// Reads a JSON Web Key (RFC 7517): RSA for RS256 and PS256, P-256 for ES256.
    ///
    /// # Errors
    /// Another key type or curve, symmetric keys above all; a key for encryption; members that do not decode.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, InvalidKeySet> {
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err(InvalidKeySet("the key is not for signatures"));
        }
        let jwk = Jwk::deserialize(jwk).map_err(|_| InvalidKeySet("the key is not a JSON Web Key"))?;
        let algorithms: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            _ => return Err(InvalidKeySet("the key is neither RSA nor on the curve P-256")),
        };
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| InvalidKeySet("the key does not decode"))?;
        Ok(Self { key, algorithms })
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Names the cryptographic provider itself instead of taking the process-wide one, which any other crate may set.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

/// The keys of one JSON Web Key Set, as they were when it was read.
#[derive(Clone, Debug, Default)]
pub struct StaticKeys(HashMap<String, Arc<VerificationKey>>);

impl StaticKeys {
    /// Reads a key set (RFC 7517 section 5). Keys that this crate cannot use are passed over, as section 5 asks, and
    /// so are keys without a `kid`.
    ///
    /// # Errors
    /// Text that is not a key set, or in which no key can be used.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKeySet> {
        let set: serde_json::Value =
            serde_json::from_str(json).map_err(|_| InvalidKeySet("the key set is not JSON"))?;
        let keys = set["keys"].as_array().ok_or(InvalidKeySet("the key set has no `keys`"))?;
        let usable = keys.iter().filter_map(|jwk| {
            Some((jwk["kid"].as_str()?.to_owned(), Arc::new(VerificationKey::from_jwk(jwk).ok()?)))
        });
        let keys: HashMap<_, _> = usable.collect();
        if keys.is_empty() {
            return Err(InvalidKeySet("the key set has no key for RS256, PS256 or ES256"));
        }
        Ok(Self(keys))
    }
}

impl KeySource for StaticKeys {
    fn key(&self, kid: &str) -> Option<Arc<VerificationKey>> {
        self.0.get(kid).cloned()
    }
}

/// A key or a key set that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidKeySet(&'static str);

impl fmt::Display for InvalidKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidKeySet {}
