//! Which sequence numbers have come already, over the last 128.

#[derive(Debug, Default)]
pub(crate) struct RecentSequences {
    newest: Option<i64>,
    /// Bit n stands for `newest - n`.
    seen: u128,
}

impl RecentSequences {
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Takes note of a number; false when it has come before, or is too old to tell. A number far back
    /// on a packet whose timestamp has moved on is neither: its sender counts anew.
    pub(crate) fn admit(&mut self, sequence: i64, moved_on: bool) -> bool {
        let ahead = self.newest.map_or(i64::MAX, |newest| sequence - newest);
        let back = ahead.unsigned_abs();
        if ahead > 0 {
            self.seen = if back < 128 { self.seen << back | 1 } else { 1 };
            self.newest = Some(sequence);
        } else if back >= 128 {
            if !moved_on {
                return false;
            }
            self.seen = 1;
            self.newest = Some(sequence);
        } else if self.seen >> back & 1 == 1 {
            return false;
        } else {
            self.seen |= 1 << back;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::RecentSequences;

    #[test]
    fn each_number_is_admitted_once_in_any_order() {
        let mut recent = RecentSequences::default();
        for sequence in [10, 12, 11, 300, 200, 173] {
            assert!(recent.admit(sequence, false), "{sequence}");
        }
        for sequence in [300, 200, 173, 172, 10] {
            assert!(!recent.admit(sequence, false), "{sequence}");
        }
        assert!(recent.admit(5, true), "a sender that counts anew");
        assert!(recent.admit(6, true));
    }
}
