//! Who may ask anything at all, of the directory or of a vault: who holds a valid token that was not revoked and whose
//! service principal is there.

mod binding;
mod signed_request;

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use unattended_protect::{Caller, Rejection, Validator};

use self::binding::{Bond, Presented};
pub(crate) use self::signed_request::Made;
use self::signed_request::Taken;
use crate::authority::unix_seconds;
use crate::store::{Cached, Store, StoreError, Tenant, principals, revocations};

/// A caller who was admitted, in which tenant.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) tenant: Arc<Tenant>,
    /// What the token is good with alone.
    bond: Bond,
    /// Since when that is known.
    since: SystemTime,
}

/// Why nobody is admitted.
#[derive(Debug)]
pub(crate) enum Refusal {
    Rejected(Rejection),
    /// The token is bound to a certificate that the connection did not show, or to a key that did not sign this request.
    NotTheHolder,
    /// The tenant is not there.
    NoTenant,
    /// The service principal is not there.
    NoPrincipal,
    /// The same, or it is disabled, or the token began before those of the service principal were revoked; the caller can
    /// ask the authority for one that begins later, and learns there what is wrong.
    Challenged {
        /// When they were revoked, in Unix seconds.
        since: Option<i64>,
    },
    Store(StoreError),
}

/// What comes with a token, and shows that its caller is its holder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// The certificate of the connection, by its thumbprint.
    pub(crate) certificate: Option<&'a str>,
    /// The request, where signed ones are taken.
    pub(crate) made: Option<Made<'a>>,
}

/// Judges callers, and remembers those it admitted until something is written: a client that reads page after page is
/// the same client each time.
#[derive(Debug)]
pub(crate) struct Admission {
    validator: Validator,
    /// By the digest of the header: tokens are not kept.
    admitted: Cached<[u8; 32], Arc<Admitted>>,
    taken: Taken,
}

impl Admission {
    /// Accepts the tokens that `validator` accepts. Whoever changes its keys has the store [forget](Store::forget).
    pub(crate) fn new(validator: Validator) -> Self {
        Self { validator, admitted: Cached::default(), taken: Taken::default() }
    }

    /// Judges the `Authorization` header of a request that arrived at `now` with this beside it. The schemes of bound
    /// tokens are rewritten to the usual one.
    pub(crate) fn admit(
        &self,
        store: &Store,
        headers: &mut HeaderMap,
        shown: Shown<'_>,
        now: SystemTime,
    ) -> Result<Arc<Admitted>, Refusal> {
        let presented = binding::presented(headers);
        let admitted = self.recall_or_judge(store, headers, now)?;
        let is_holder = match (&admitted.bond, presented) {
            (Bond::Nothing, Presented::AsBearer) => true,
            (Bond::Certificate(thumbprint), Presented::AsBearer | Presented::AsBound) => {
                shown.certificate == Some(thumbprint)
            }
            (Bond::Key(key), Presented::Signed(request)) => {
                shown.made.is_some_and(|made| self.taken.take(&request, key, made, unix_seconds(now)))
            }
            _ => false,
        };
        if is_holder { Ok(admitted) } else { Err(Refusal::NotTheHolder) }
    }

    fn recall_or_judge(
        &self,
        store: &Store,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Arc<Admitted>, Refusal> {
        let key = key(headers);
        if let Some(known) = key.and_then(|key| self.admitted.get(store, &key))
            && (known.since..known.caller.expires_at()).contains(&now)
        {
            return Ok(known);
        }
        let generation = store.generation();
        let admitted = Arc::new(self.judge(store, headers, now)?);
        if let Some(key) = key {
            self.admitted.put(generation, key, Arc::clone(&admitted));
        }
        Ok(admitted)
    }

    fn judge(&self, store: &Store, headers: &HeaderMap, now: SystemTime) -> Result<Admitted, Refusal> {
        let caller = self.validator.validate(headers, now).map_err(Refusal::Rejected)?;
        let tenant = store.tenant(&caller.tenant_id().to_string())?.ok_or(Refusal::NoTenant)?;
        let object_id = caller.object_id().unwrap_or_default();
        let principal = store.read(|connection| principals::find(connection, &tenant.id, "id", object_id))?;
        if caller.understands_claims_challenges() {
            let since = store.read(|connection| revocations::revoked_at(connection, object_id))?;
            let began = caller.not_before().map_or(0, unix_seconds);
            let is_enabled = principal.as_ref().is_some_and(|principal| principal.account_enabled());
            if !is_enabled || since.is_some_and(|since| began < since) {
                return Err(Refusal::Challenged { since });
            }
        }
        // Who cannot be challenged keeps its token until that ends, though it is disabled or revoked.
        match principal {
            Some(_) => Ok(Admitted { caller, tenant, bond: Bond::of(headers), since: now }),
            None => Err(Refusal::NoPrincipal),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The `claims` of a challenge to a client whose token has to begin at this time or later, in Unix seconds.
pub(crate) fn claims_of_challenge(not_before: i64) -> String {
    let not_before = json!({ "essential": true, "value": not_before.to_string() });
    BASE64_STANDARD.encode(json!({ "access_token": { "nbf": not_before } }).to_string())
}

/// What a caller is remembered by; nothing if the header is missing or there are several.
fn key(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    digest(&SHA256, value.as_bytes()).as_ref().try_into().ok()
}
