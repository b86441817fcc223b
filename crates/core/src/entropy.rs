//! Randomness as a port.

use std::cell::RefCell;
use std::fmt;

/// Where random bits come from: jitter, and identifiers that must not repeat (`jti`, `client-request-id`).
/// Keys and signatures never come from here; the cryptographic library draws its own.
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// 128 unpredictable bits.
    fn bits(&self) -> u128;

    /// A number in `0.0..1.0`.
    fn unit(&self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.bits() >> 75) as f64 / (1_u64 << 53) as f64
    }

    /// A random UUID (version 4) in its usual text form.
    fn uuid(&self) -> String {
        let uuid = uuid::Builder::from_random_bytes(self.bits().to_be_bytes()).into_uuid();
        uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u128 {
        thread_local!(static DRAWN: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) });
        DRAWN.with_borrow_mut(|drawn| {
            drawn.pop().unwrap_or_else(|| {
                draw_into(drawn);
                drawn.pop().unwrap_or_else(draw_one)
            })
        })
    }
}

/// Draws for a while: asking the operating system takes longer than all else that is done with an identifier.
fn draw_into(drawn: &mut Vec<u128>) {
    let mut bytes = [0; 1_024];
    if getrandom::fill(&mut bytes).is_ok() {
        let (numbers, _) = bytes.as_chunks();
        drawn.extend(numbers.iter().map(|number| u128::from_ne_bytes(*number)));
    }
}

fn draw_one() -> u128 {
    // Version 4 fixes six bits; the low 64 and the high 48 stay random, so fold two draws together.
    let (a, b) = (uuid::Uuid::new_v4().as_u128(), uuid::Uuid::new_v4().as_u128());
    a ^ b.rotate_left(64)
}

#[cfg(feature = "test-util")]
pub use seeded::SeededEntropy;

#[cfg(feature = "test-util")]
mod seeded {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Entropy;

    /// The same numbers for the same seed (SplitMix64).
    #[derive(Debug)]
    pub struct SeededEntropy(AtomicU64);

    impl SeededEntropy {
        /// A generator that starts at `seed`.
        #[must_use]
        pub fn new(seed: u64) -> Self {
            Self(AtomicU64::new(seed))
        }

        fn next(&self) -> u64 {
            let mut z = self
                .0
                .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
                .wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }
    }

    impl Entropy for SeededEntropy {
        fn bits(&self) -> u128 {
            (u128::from(self.next()) << 64) | u128::from(self.next())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_never_one_and_a_uuid_says_version_4() {
        for _ in 0..1_000 {
            assert!((0.0..1.0).contains(&SystemEntropy.unit()));
        }
        assert_eq!(SystemEntropy.uuid().as_bytes()[14], b'4');
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| SystemEntropy.uuid()).collect();
        assert_eq!(ids.len(), 1_000);
    }
}
