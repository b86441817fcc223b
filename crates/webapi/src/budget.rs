//! How many retries an API can be burdened with that it did not ask for.

use std::sync::{Mutex, PoisonError};

/// A retry of its own accord for every tenth request, and ten to begin with.
///
/// A limit per call does not protect an API that is down: each of a thousand callers would still ask six times. This
/// one is shared by all calls, so that an outage is met with a tenth more load and not with six times as much. What
/// the API asked for with `Retry-After` is free.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In tenths of a retry.
    balance: Mutex<u32>,
}

impl RetryBudget {
    const RETRY: u32 = 10;
    const MOST: u32 = 10 * Self::RETRY;

    /// Notes a request: the first attempt of a call.
    pub(crate) fn deposit(&self) {
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        *balance = (*balance + 1).min(Self::MOST);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        let left = balance.checked_sub(Self::RETRY);
        *balance = left.unwrap_or(*balance);
        left.is_some()
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { balance: Mutex::new(Self::MOST) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RT-7
    #[test]
    fn retries_are_a_tenth_of_the_requests_and_ten_in_a_burst() {
        let budget = RetryBudget::default();
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        let retried = (0..1_000).filter(|_| {
            budget.deposit();
            budget.withdraw()
        });
        assert_eq!(retried.count(), 100);
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
    }
}
