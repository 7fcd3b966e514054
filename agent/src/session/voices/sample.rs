//! How much of a microphone's speech is heard only to find out whether there is a second voice: a bucket that fills while
//! people speak and empties while they are heard.

/// Heard at once at most, and from the first word on.
pub const BURST_MS: u64 = 20_000;
/// Of so much speech, one part is heard.
pub const SHARE: u64 = 8;

/// A microphone's bucket.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Speech that may be heard, in parts of a millisecond.
    left: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            left: BURST_MS * SHARE,
        }
    }
}

impl Sample {
    /// Somebody spoke for so long.
    pub fn spoken(&mut self, ms: u64) {
        self.left = self.left.saturating_add(ms).min(BURST_MS * SHARE);
    }

    /// Whether so much may be heard; then it counts as heard.
    pub fn take(&mut self, ms: u64) -> bool {
        let Some(left) = ms.checked_mul(SHARE).and_then(|ms| self.left.checked_sub(ms)) else {
            return false;
        };
        self.left = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However people speak, no more is heard than the burst and the share; and it goes on for ever.
        #[test]
        fn an_eighth_is_heard_and_the_burst_before_it(said_ms in prop::collection::vec(0_u64..20_000, 1..400)) {
            let mut sample = Sample::default();
            let (mut spoken_ms, mut heard_ms) = (0, 0);
            for ms in &said_ms {
                sample.spoken(*ms);
                spoken_ms += ms;
                if sample.take(*ms) {
                    heard_ms += ms;
                }
                prop_assert!(heard_ms <= BURST_MS + spoken_ms / SHARE);
            }
            // What is left in the bucket is less than an utterance more than its size.
            prop_assert!(heard_ms + BURST_MS >= (spoken_ms / SHARE).min(BURST_MS));
        }
    }

    #[test]
    fn one_utterance_in_eight_once_the_burst_is_over() {
        let mut sample = Sample::default();
        let heard: Vec<bool> = (0..36)
            .map(|_| {
                sample.spoken(5_000);
                sample.take(5_000)
            })
            .collect();
        assert_eq!(heard[..4], [true; 4]);
        let later = heard[4..].iter().filter(|heard| **heard).count();
        assert_eq!(later, 4, "{heard:?}");
    }

    #[test]
    fn what_is_longer_than_any_utterance_is_never_heard() {
        let mut sample = Sample::default();
        assert!(!sample.take(BURST_MS + 1) && !sample.take(u64::MAX));
        assert!(sample.take(BURST_MS) && !sample.take(1));
    }
}
