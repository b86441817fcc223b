//! How often clients may ask: the loop rule and the quota of a tenant.

use std::collections::VecDeque;
use std::hash::Hash;

use super::error::{self, AuthorityError};
use crate::control::Settings;
use crate::counts::Counts;

/// So many identical requests within [`LOOP_SECONDS`] are answered; the next one is taken for a loop.
const LOOP_REQUESTS: usize = 15;
const LOOP_SECONDS: i64 = 5 * 60;

/// The time that a quota is for.
const QUOTA_SECONDS: i64 = 10;

/// More keys than this are looked through for those that are over.
const MANY: usize = 10_000;

/// Who asked when.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    loops: Counts<(String, String, String), VecDeque<i64>>,
    quotas: Counts<String, VecDeque<i64>>,
}

impl Limits {
    /// Forgives if snapshots were restored since the last time.
    pub(crate) fn renew(&self, restores: u64) {
        self.loops.renew(restores);
        self.quotas.renew(restores);
    }

    /// Counts a request of a client that proved itself, or refuses it.
    pub(crate) fn admit(
        &self,
        settings: &Settings,
        tenant: &str,
        client: &str,
        resource: &str,
        now: i64,
    ) -> Result<(), AuthorityError> {
        if settings.loop_rule {
            let key = (tenant.to_owned(), client.to_owned(), resource.to_owned());
            if admit(&self.loops, key, LOOP_REQUESTS, LOOP_SECONDS, now).is_err() {
                return Err(AuthorityError::from(&error::REQUEST_LOOP));
            }
        }
        if let Some(quota) = settings.token_quota {
            let wait = admit(&self.quotas, tenant.to_owned(), quota as usize, QUOTA_SECONDS, now);
            wait.map_err(|seconds| AuthorityError::from(&error::TENANT_THROTTLED).retry_after(seconds))?;
        }
        Ok(())
    }
}

/// Counts within a window that moves; refused requests do not count. The error is how many seconds to wait.
fn admit<K: Eq + Hash>(
    counts: &Counts<K, VecDeque<i64>>,
    key: K,
    most: usize,
    window: i64,
    now: i64,
) -> Result<(), i64> {
    let mut counts = counts.lock();
    if counts.len() > MANY {
        counts.retain(|_, times| times.back().is_some_and(|last| now - last < window));
    }
    let times = counts.entry(key).or_default();
    // Time may have travelled back.
    times.retain(|time| (0..window).contains(&(now - time)));
    if times.len() >= most {
        let oldest = times.front().copied().unwrap_or(now);
        return Err((oldest + window - now).max(1));
    }
    times.push_back(now);
    Ok(())
}
