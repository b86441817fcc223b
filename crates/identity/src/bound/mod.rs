//! Tokens that are bound to a key.
//!
//! # Why bind a token?
//!
//! A bearer token is good in anybody's hands: in those of whoever reads a log, a crash dump or a proxy's memory. A bound
//! one names a key, and the web API takes it only together with a proof that its holder has that key: the certificate of
//! the connection (RFC 8705, Microsoft's `mtls_pop`), or a signature beside each request (DPoP, RFC 9449).
//!
//! # How can token and key not come apart?
//!
//! Three mistakes are known from other libraries: the cache serves a bearer token to who asked for a bound one, a token
//! that is bound to the certificate of yesterday is shown with that of today, and a server that does not know binding
//! gives a bearer token which nobody looks at. Here what a token is to be bound to is a part of the
//! [`Profile`](crate::profile::Profile), and so of the key of the cache; the token is kept together with the connections
//! or the key that it has to be shown with, in one value which the layer that sends takes as a whole; and an answer whose
//! token is not bound to what it was asked for is an error.

mod certificate;
mod key;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use unattended_core::{Authorization, Possession};

pub(crate) use self::certificate::Shown;
pub use self::key::DpopKey;
pub(crate) use self::key::Prover;

/// What a token is asked to be bound to.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum Binding {
    /// Nothing: a bearer token.
    #[default]
    Bearer,
    /// The certificate of the connection that the token request comes on.
    Certificate,
    /// A key that signs for each request.
    Key(DpopKey),
}

/// What a request for a token was sent with, so that its answer can be judged.
#[derive(Debug, Default)]
pub(crate) struct Bond {
    /// A signing key, if the token is to be bound to one.
    pub(crate) prover: Option<Prover>,
    /// The certificate that the connection showed, if it did.
    pub(crate) shown: Option<Arc<Shown>>,
    /// Whether the token must be bound to that certificate, and what its type is then.
    pub(crate) demanded: Option<&'static str>,
}

/// The `token_type` and `Authorization` scheme of Microsoft's tokens that are bound to a certificate.
pub(crate) const MTLS_POP: &str = "mtls_pop";
/// That of all others, of which the token itself tells whether it is bound.
pub(crate) const BEARER: &str = "Bearer";
const DPOP: &str = "DPoP";

#[derive(Deserialize)]
struct Payload {
    /// RFC 7800 section 3.1.
    cnf: Option<serde_json::Value>,
}

impl Bond {
    /// The token as it has to be shown, if it is what was asked for. An error completes "the token endpoint answered
    /// 200, but ...".
    pub(crate) fn authorization(
        &self,
        token_type: Option<&str>,
        token: &str,
    ) -> Result<Authorization, String> {
        let is = |kind: &str| token_type.is_none_or(|token_type| token_type.eq_ignore_ascii_case(kind));
        let authorization = if let Some(prover) = &self.prover {
            // RFC 9449 section 5: without this very type the server did not look at the proof.
            if token_type.is_none() || !is(DPOP) {
                return Err("with a token that is not bound to the key of the DPoP proof".to_owned());
            }
            let named = payload(token).and_then(|payload| payload.cnf);
            if named.is_some_and(|confirmation| confirmation["jkt"] != prover.key.thumbprint()) {
                return Err("with a token that is bound to another key".to_owned());
            }
            Authorization::bound(DPOP, token, Arc::new(prover.clone()))
        } else if let Some(shown) = &self.shown {
            let kind = self.demanded.unwrap_or(BEARER);
            if !is(kind) || (kind == MTLS_POP && token_type.is_none()) {
                return Err(format!("with a token that is no {kind} token"));
            }
            match self.is_bound(token, shown)? {
                true => Authorization::bound(kind, token, Arc::clone(shown) as Arc<dyn Possession>),
                false => Authorization::bearer(token),
            }
        } else if is(BEARER) {
            Authorization::bearer(token)
        } else {
            return Err("with a token that is no bearer token".to_owned());
        };
        authorization.ok_or_else(|| "with a token that no header may carry".to_owned())
    }

    fn is_bound(&self, token: &str, shown: &Shown) -> Result<bool, String> {
        let Some(payload) = payload(token) else {
            // Whether a token that only its server can read is bound, only its server can tell.
            return Ok(self.demanded.is_some());
        };
        match payload.cnf {
            Some(named) if named["x5t#S256"] == URL_SAFE_NO_PAD.encode(shown.thumbprint) => Ok(true),
            Some(_) => Err("with a token that is bound to another certificate".to_owned()),
            None if self.demanded.is_some() => {
                Err("with a token that is not bound to the certificate of the connection".to_owned())
            }
            None => Ok(false),
        }
    }
}

/// What a JWT says of its binding; nothing for a token that is none.
fn payload(token: &str) -> Option<Payload> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests;
