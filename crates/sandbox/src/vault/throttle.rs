//! How much a vault answers: 4,000 requests in ten seconds, as a token bucket for each.

use super::fault::Fault;
use crate::control::settings::{TenantSize, Throttling};
use crate::counts::Counts;

/// Requests to one vault,
const REQUESTS: f64 = 4_000.0;

/// in so many seconds.
const SECONDS: f64 = 10.0;

/// The buckets of the vaults that were asked.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// What is left, and since when (Unix seconds).
    buckets: Counts<String, (f64, f64)>,
}

impl Throttle {
    /// Fills every bucket if snapshots were restored since the last time.
    pub(super) fn renew(&self, restores: u64) {
        self.buckets.renew(restores);
    }

    /// Pays for a request to a tenant's vault at a time in Unix seconds.
    ///
    /// # Errors
    /// 429 when the bucket is empty; asking again at once prolongs the wait.
    pub(super) fn pay(&self, throttling: Throttling, tenant: &str, now: f64) -> Result<(), Fault> {
        if throttling.size == TenantSize::Off {
            return Ok(());
        }
        let capacity = (REQUESTS * throttling.scale).max(1.0);
        let rate = capacity / SECONDS;
        let mut buckets = self.buckets.lock();
        let (level, at) = buckets.entry(tenant.to_owned()).or_insert((capacity, now));
        let filled = (*level + (now - *at).max(0.0) * rate).min(capacity);
        (*level, *at) = ((filled - 1.0).max(-capacity), now);
        if filled >= 1.0 {
            return Ok(());
        }
        let wait = ((1.0 - *level) / rate).ceil().max(1.0);
        Err(Fault::throttled(wait as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_says_how_long_to_wait_and_fills_again() {
        let throttle = Throttle::default();
        let small = Throttling { size: TenantSize::Small, scale: 0.001 };
        for _ in 0..4 {
            throttle.pay(small, "t", 0.0).unwrap();
        }
        let fault = throttle.pay(small, "t", 0.0).unwrap_err();
        assert_eq!((fault.status.as_u16(), fault.headers[0].1.to_str().unwrap()), (429, "5"));
        throttle.pay(small, "other", 0.0).unwrap();
        throttle.pay(small, "t", 5.0).unwrap();
        let off = Throttling { size: TenantSize::Off, scale: 0.001 };
        (0..9).for_each(|_| throttle.pay(off, "t", 5.0).unwrap());
    }
}
