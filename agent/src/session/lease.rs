//! When to renew the lease. The lease itself is a row and its clock is the database's: this only keeps the
//! renewals coming and knows for how long none has succeeded.

/// Between two renewals.
pub const RENEW_MS: u64 = 1_000;
/// How far each renewal reaches.
pub const LEASE_MS: u64 = 5_000;

/// The rhythm of renewals.
#[derive(Clone, Debug)]
pub struct Renewals {
    next_ms: u64,
    in_flight: bool,
    last_good_ms: u64,
}

impl Renewals {
    /// The lease was taken at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self {
            next_ms: now_ms + RENEW_MS,
            in_flight: false,
            last_good_ms: now_ms,
        }
    }

    /// Whether a renewal is to be sent now.
    pub fn due(&mut self, now_ms: u64) -> bool {
        if self.in_flight || now_ms < self.next_ms {
            return false;
        }
        self.in_flight = true;
        self.next_ms = now_ms + RENEW_MS;
        true
    }

    /// A renewal came back.
    pub fn answered(&mut self, renewed: bool, now_ms: u64) {
        self.in_flight = false;
        if renewed {
            self.last_good_ms = now_ms;
        }
    }

    /// Whether the lease has run out as far as we can know. Another agent may be in the room by now.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        now_ms >= self.last_good_ms + LEASE_MS
    }

    /// When [`Renewals::due`] wants to be asked.
    pub fn next_tick_ms(&self) -> Option<u64> {
        (!self.in_flight).then_some(self.next_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// As long as each renewal is answered within two seconds, the lease never runs out.
        #[test]
        fn a_database_that_answers_within_two_seconds_is_enough(delays_ms in prop::collection::vec(0_u64..2_000, 1..50)) {
            let mut renewals = Renewals::new(0);
            let mut now_ms = 0;
            for delay_ms in delays_ms {
                now_ms = now_ms.max(renewals.next_tick_ms().unwrap());
                prop_assert!(renewals.due(now_ms));
                prop_assert!(!renewals.due(now_ms));
                now_ms += delay_ms;
                prop_assert!(!renewals.is_overdue(now_ms));
                renewals.answered(true, now_ms);
            }
            prop_assert!(renewals.is_overdue(now_ms + LEASE_MS));
        }
    }
}
