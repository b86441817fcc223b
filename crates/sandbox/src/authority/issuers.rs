//! Other issuers of tokens, and the keys that they publish.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use unattended_core::{Clock, HttpClient};

/// How long keys are used before they are fetched again.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How soon keys are fetched again because a token is signed with one that is not among them.
const REFETCHED: Duration = Duration::from_secs(60);

/// How long an issuer may take for one document.
const PATIENCE: Duration = Duration::from_secs(10);

const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// The platform stores no more keys of an issuer.
const MAX_KEYS: usize = 100;

/// The issuers that federated credentials name. Keys are fetched when a token needs them, and kept.
pub(crate) struct Issuers {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<IssuerKeys>,
    since: SystemTime,
}

/// The RSA keys of one issuer by `kid`.
#[derive(Default)]
pub(crate) struct IssuerKeys(HashMap<String, RsaPublicKeyComponents<Vec<u8>>>);

/// An issuer whose metadata or keys were not to be had, with the reason.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) String);

impl Issuers {
    pub(crate) fn new(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock, kept: Mutex::default() }
    }

    /// Whether the issuer signed this with RS256. Must be called where blocking is allowed, on a thread that knows its
    /// runtime.
    ///
    /// # Errors
    /// The issuer does not answer as OpenID Connect Discovery 1.0 section 4 says, and no keys of it are kept.
    pub(crate) fn verify(
        &self,
        issuer: &str,
        kid: &str,
        message: &str,
        signature: &[u8],
    ) -> Result<bool, Unreachable> {
        let now = self.clock.now();
        // Keys that were fetched in the future, before time travelled back, are those of no time that is known.
        let age = |kept: &Kept| now.duration_since(kept.since).unwrap_or(KEPT);
        let kept = self.lock().get(issuer).cloned();
        if let Some(kept) = &kept
            && (age(kept) < REFETCHED || kept.keys.0.contains_key(kid) && age(kept) < KEPT)
        {
            return Ok(kept.keys.verify(kid, message, signature));
        }
        let keys = match tokio::runtime::Handle::current().block_on(self.fetch(issuer)) {
            Ok(keys) => Arc::new(keys),
            Err(unreachable) => {
                tracing::warn!(issuer, reason = unreachable.0, "the keys of an issuer are not to be had");
                return kept.map(|kept| kept.keys.verify(kid, message, signature)).ok_or(unreachable);
            }
        };
        self.lock().insert(issuer.to_owned(), Kept { keys: Arc::clone(&keys), since: now });
        Ok(keys.verify(kid, message, signature))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, issuer: &str) -> Result<IssuerKeys, Unreachable> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = serde_json::from_value(self.get(&url).await?)
            .map_err(|_| Unreachable("the metadata has no issuer or no jwks_uri".into()))?;
        if metadata.issuer != issuer {
            return Err(Unreachable(format!("the metadata is that of the issuer {}", metadata.issuer)));
        }
        IssuerKeys::from_jwks(&self.get(&metadata.jwks_uri).await?)
            .ok_or_else(|| Unreachable("the key set has no RSA key".into()))
    }

    async fn get(&self, url: &str) -> Result<Value, Unreachable> {
        let failed = |reason: &dyn fmt::Display| Unreachable(format!("{url}: {reason}"));
        if !url.starts_with("https://") {
            return Err(failed(&"not an https address"));
        }
        let request = http::Request::get(url).header("accept", "application/json").body(Default::default());
        let request = request.map_err(|error| failed(&error))?;
        let exchange = async {
            let response = self.http.send(request).await.map_err(|error| failed(&root_cause(&error)))?;
            if !response.status().is_success() {
                return Err(failed(&response.status()));
            }
            let body = response.into_body().collect(MAX_DOCUMENT_BYTES).await;
            let body = body.map_err(|error| failed(&root_cause(&error)))?;
            serde_json::from_slice(&body).map_err(|_| failed(&"not JSON"))
        };
        tokio::select! {
            document = exchange => document,
            () = self.clock.sleep(PATIENCE) => Err(failed(&"no answer in time")),
        }
    }
}

/// What really went wrong: the rest of the chain only says that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers").finish_non_exhaustive()
    }
}

impl IssuerKeys {
    /// Reads a key set (RFC 7517 section 5) and passes over what is no RSA key for signatures; `None` if that is all.
    pub(crate) fn from_jwks(document: &Value) -> Option<Self> {
        let number = |jwk: &Value, name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
        let key = |jwk: &Value| {
            let is_usable = jwk["kty"] == "RSA" && jwk.get("use").is_none_or(|usage| usage == "sig");
            let key = RsaPublicKeyComponents { n: number(jwk, "n")?, e: number(jwk, "e")? };
            is_usable.then_some((jwk["kid"].as_str()?.to_owned(), key))
        };
        let keys: HashMap<_, _> =
            document["keys"].as_array()?.iter().take(MAX_KEYS).filter_map(key).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Whether the key of that name signed this with RS256.
    pub(crate) fn verify(&self, kid: &str, message: &str, signature: &[u8]) -> bool {
        self.0
            .get(kid)
            .is_some_and(|key| key.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), signature).is_ok())
    }
}
