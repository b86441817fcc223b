//! What earlier attempts at the same run have done to the directory.

use std::collections::HashMap;

use crate::error::JobError;
use crate::row::fold;
use crate::run::RunContext;
use crate::store::{Answer, Operation};

/// The writes of earlier attempts, by key.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    past: HashMap<String, Past>,
    last_sequence: u64,
}

/// A write of an earlier attempt that took effect, or may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Past {
    pub(super) operation: Operation,
    pub(super) sequence: u64,
    /// Whether its answer was heard.
    pub(super) is_answered: bool,
}

impl Ledger {
    pub(super) async fn load(context: &RunContext<'_>) -> Result<Self, JobError> {
        let mut ledger = Self::default();
        if !context.run.resumed {
            return Ok(ledger);
        }
        for entry in context.store.journal(&context.run.lease.run_id).await? {
            let sequence = entry.intent.sequence;
            ledger.last_sequence = sequence;
            if entry.answer.as_ref().is_none_or(Answer::is_success) {
                let past =
                    Past { operation: entry.intent.operation, sequence, is_answered: entry.answer.is_some() };
                ledger.past.insert(fold(&entry.intent.key), past);
            }
        }
        Ok(ledger)
    }

    pub(super) fn past(&self, key: &str) -> Option<Past> {
        self.past.get(&fold(key)).copied()
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }
}

/// A digest of a body (FNV-1a, 64 bits): tells in a support case whether two attempts sent the same.
pub(super) fn digest(body: &str) -> String {
    let hash = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("foobar"), "85944171f73967e8");
    }
}
