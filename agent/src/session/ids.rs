//! Ids for rows, made from one random seed of the session: the core has no randomness of its own, and a test
//! with a fixed seed sees the same ids every time.

use uuid::{Builder, Uuid};

use crate::worker::backoff::mix;

/// A stream of ids.
#[derive(Clone, Debug)]
pub struct Ids {
    high: u64,
    low: u64,
    count: u64,
}

impl Ids {
    /// The stream that belongs to `seed`; sessions take a fresh random one.
    pub fn new(seed: u128) -> Self {
        Self {
            high: (seed >> 64) as u64,
            low: seed as u64,
            count: 0,
        }
    }

    /// The next id.
    pub fn fresh(&mut self) -> Uuid {
        self.count += 1;
        let high = mix(self.high ^ mix(self.count));
        let low = mix(self.low.wrapping_add(high).wrapping_add(self.count));
        let bits = (u128::from(high) << 64) | u128::from(low);
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_differ_within_and_between_sessions(one: u128, other: u128) {
            prop_assume!(one != other);
            let mut ids = Ids::new(one);
            let mut others = Ids::new(other);
            let all: BTreeSet<Uuid> = (0..200).flat_map(|_| [ids.fresh(), others.fresh()]).collect();
            prop_assert_eq!(all.len(), 400);
        }
    }
}
