//! Bounded exponential back-off with deterministic jitter: the spread comes from a seed, not from a clock, so
//! a machine that uses it stays testable in virtual time.

/// Waits that double from `first_ms` to `most_ms`, each shortened by up to a quarter.
#[derive(Clone, Debug)]
pub struct Backoff {
    first_ms: u64,
    most_ms: u64,
    attempt: u32,
    seed: u64,
}

impl Backoff {
    /// A back-off whose first wait is about `first_ms` and whose longest is `most_ms`.
    pub fn new(first_ms: u64, most_ms: u64, seed: u64) -> Self {
        Self {
            first_ms,
            most_ms,
            attempt: 0,
            seed,
        }
    }

    /// The wait before the next attempt.
    pub fn next_ms(&mut self) -> u64 {
        let doubled = self.first_ms.saturating_mul(1_u64 << self.attempt.min(20));
        let wait_ms = doubled.min(self.most_ms);
        self.attempt = self.attempt.saturating_add(1);
        self.seed = mix(self.seed);
        // Many workers lose the same server at the same moment: they must not come back in step.
        wait_ms - self.seed % (wait_ms / 4 + 1)
    }

    /// The last attempt went well: start over.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014): a good spread from any seed.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(seed: u64, attempts in 1_usize..40) {
            let mut backoff = Backoff::new(200, 10_000, seed);
            let mut longest_ms = 0;
            for _ in 0..attempts {
                let wait_ms = backoff.next_ms();
                prop_assert!((150..=10_000).contains(&wait_ms));
                longest_ms = longest_ms.max(wait_ms);
            }
            prop_assert!(attempts < 10 || longest_ms >= 7_500);
            backoff.reset();
            prop_assert!(backoff.next_ms() <= 200);
        }
    }
}
