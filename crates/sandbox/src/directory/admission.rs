//! Who may ask anything at all: the bearer of a valid token that was not revoked and whose service principal is there and
//! enabled.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use unattended_protect::{Caller, Rejection, Validator};

use super::binding::bound_to;
use crate::authority::unix_seconds;
use crate::store::{Cached, Store, StoreError, Tenant, principals, revocations};

/// A caller who was admitted, in which tenant.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) tenant: Arc<Tenant>,
    /// The thumbprint of the certificate that the token is good with alone.
    pub(super) bound_to: Option<String>,
    /// Since when that is known.
    since: SystemTime,
}

/// Why nobody is admitted.
#[derive(Debug)]
pub(super) enum Refusal {
    Rejected(Rejection),
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

    /// Judges the `Authorization` header of a request that arrived at `now`.
    pub(super) fn admit(
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
            true => Ok(Admitted { caller, tenant, bound_to: bound_to(headers), since: now }),
            false => Err(Refusal::NoPrincipal),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a caller is remembered by; nothing if the header is missing or there are several.
fn key(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    digest(&SHA256, value.as_bytes()).as_ref().try_into().ok()
}
