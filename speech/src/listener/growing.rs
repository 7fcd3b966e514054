//! The samples of an utterance that is still open. They lie in blocks, so that a look at an utterance shares them with it
//! instead of copying up to 20 s of sound; full blocks are packed, since most are not looked at again before the final.

use crate::audio::Part;
use crate::{Audio, SAMPLES_PER_MS};

/// A quarter of a second: what is not packed yet, and what a look copies, is less than that.
const BLOCK_SAMPLES: usize = 250 * SAMPLES_PER_MS;

#[derive(Debug, Default)]
pub(super) struct Growing {
    /// Full ones.
    blocks: Vec<Part>,
    /// Less than a block.
    last: Vec<i16>,
}

impl Growing {
    /// One that begins with these samples.
    pub(super) fn of(samples: &[i16]) -> Self {
        let mut growing = Self::default();
        growing.extend(samples);
        growing
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len() * BLOCK_SAMPLES + self.last.len()
    }

    pub(super) fn extend(&mut self, mut samples: &[i16]) {
        while !samples.is_empty() {
            let (taken, rest) = samples.split_at(samples.len().min(BLOCK_SAMPLES - self.last.len()));
            self.last.reserve_exact(BLOCK_SAMPLES - self.last.len());
            self.last.extend_from_slice(taken);
            samples = rest;
            if self.last.len() == BLOCK_SAMPLES {
                self.blocks.push(Part::packed(&self.last));
                self.last.clear();
            }
        }
    }

    /// The samples before `end`.
    pub(super) fn head(&self, end: usize) -> Audio {
        let whole = (end / BLOCK_SAMPLES).min(self.blocks.len());
        let rest = end.min(self.len()) - whole * BLOCK_SAMPLES;
        let broken = || match self.blocks.get(whole) {
            Some(block) => Part::plain(&block.samples()[..rest]),
            None => Part::plain(&self.last[..rest]),
        };
        let blocks = self.blocks[..whole].iter().cloned();
        Audio::of_parts(blocks.chain((rest > 0).then(broken)))
    }

    /// The samples from `begin` on.
    pub(super) fn tail(&self, begin: usize) -> Vec<i16> {
        let whole = (begin / BLOCK_SAMPLES).min(self.blocks.len());
        let skipped = begin.min(self.len()) - whole * BLOCK_SAMPLES;
        let blocks = self.blocks[whole..].iter();
        let mut samples: Vec<i16> = blocks.flat_map(|block| block.samples().into_owned()).collect();
        samples.extend_from_slice(&self.last);
        samples.drain(..skipped);
        samples
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_between_blocks(frames in prop::collection::vec(1..700_usize, 0..150), at in 0.0..=1.0) {
            let samples: Vec<i16> = (0..frames.iter().sum()).map(|at: usize| (at % 30_011) as i16).collect();
            let mut growing = Growing::default();
            let mut rest = &samples[..];
            for frame in frames {
                let (taken, behind) = rest.split_at(frame);
                growing.extend(taken);
                rest = behind;
            }
            prop_assert_eq!(growing.len(), samples.len());
            let at = (samples.len() as f64 * at) as usize;
            let (head, tail) = samples.split_at(at);
            prop_assert_eq!(growing.head(at).to_vec(), head);
            prop_assert_eq!(growing.tail(at), tail);
            prop_assert_eq!(growing.head(samples.len() + 7).to_vec(), &samples[..]);
            prop_assert_eq!(growing.tail(samples.len() + 7), &[] as &[i16]);
        }
    }

    #[test]
    fn looks_share_what_they_see() {
        let growing = Growing::of(&[7; 3 * BLOCK_SAMPLES]);
        let (early, late) = (
            growing.head(BLOCK_SAMPLES + 1),
            growing.head(2 * BLOCK_SAMPLES + 5),
        );
        assert!(late.begins_like(&early) && early != late);
        let Part::Packed(first) = &growing.blocks[0] else {
            panic!("a full block is packed")
        };
        assert_eq!(Arc::strong_count(first), 3);
    }
}
