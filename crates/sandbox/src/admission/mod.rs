//! Who may ask anything at all, of the directory or of a vault: who holds a valid token that was not revoked and whose
//! service principal is there and enabled.

mod binding;

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use unattended_protect::{Caller, Rejection, Validator};

use crate::authority::unix_seconds;
use crate::store::{Cached, Store, StoreError, Tenant, principals, revocations};

/// A caller who was admitted, in which tenant.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) tenant: Arc<Tenant>,
    /// The thumbprint of the certificate that the token is good with alone.
    bound_to: Option<String>,
    /// Since when that is known.
    since: SystemTime,
}

/// Why nobody is admitted.
#[derive(Debug)]
pub(crate) enum Refusal {
    Rejected(Rejection),
    /// The token is bound to a certificate that the connection did not show.
    NotTheHolder,
    /// The tenant is not there.
    NoTenant,
    /// The service principal is not there or disabled.
    NoPrincipal,
    /// The same, or the token began before those of the service principal were revoked; the caller can ask the authority
    /// for one that begins later, and learns there what is wrong.
    Challenged {
        /// When they were revoked, in Unix seconds.
        since: Option<i64>,
    },
    Store(StoreError),
}

/// Judges callers, and remembers those it admitted until something is written: a client that reads page after page is
/// the same client each time.
#[derive(Debug)]
pub(crate) struct Admission {
    validator: Validator,
    /// By the digest of the header: tokens are not kept.
    admitted: Cached<[u8; 32], Arc<Admitted>>,
}

impl Admission {
    /// Accepts the tokens that `validator` accepts. Whoever changes its keys has the store [forget](Store::forget).
    pub(crate) fn new(validator: Validator) -> Self {
        Self { validator, admitted: Cached::default() }
    }

    /// Judges the `Authorization` header of a request that arrived at `now` over a connection that showed this
    /// certificate, named by its thumbprint. The scheme of bound tokens is rewritten to the usual one.
    pub(crate) fn admit(
        &self,
        store: &Store,
        headers: &mut HeaderMap,
        certificate: Option<&str>,
        now: SystemTime,
    ) -> Result<Arc<Admitted>, Refusal> {
        let presented_as_bound = binding::as_bearer(headers);
        let admitted = self.recall_or_judge(store, headers, now)?;
        match binding::holds(admitted.bound_to.as_deref(), presented_as_bound, certificate) {
            true => Ok(admitted),
            false => Err(Refusal::NotTheHolder),
        }
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
        let tenant = store.tenant(caller.tenant_id().as_str())?.ok_or(Refusal::NoTenant)?;
        let object_id = caller.object_id().unwrap_or_default();
        let principal = store.read(|connection| principals::find(connection, &tenant.id, "id", object_id))?;
        let is_there = principal.is_some_and(|principal| principal.account_enabled());
        if caller.understands_claims_challenges() {
            let since = store.read(|connection| revocations::revoked_at(connection, object_id))?;
            let began = caller.not_before().map_or(0, unix_seconds);
            if !is_there || since.is_some_and(|since| began < since) {
                return Err(Refusal::Challenged { since });
            }
        }
        // Who cannot be challenged keeps its token until that ends.
        match is_there {
            true => Ok(Admitted { caller, tenant, bound_to: binding::bound_to(headers), since: now }),
            false => Err(Refusal::NoPrincipal),
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
