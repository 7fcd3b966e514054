//! The segmentation hears ten seconds at a time: an utterance, with what was said before it, in stretches of that length
//! that lie half over one another. Each place is decided by the stretch in whose middle it is.

use super::segmentation::{FIRST_MIDDLE, FRAME_SAMPLES, STRETCH_SAMPLES, Segmenter, VOICES};
use crate::SAMPLES_PER_MS;

const HOP_SAMPLES: usize = STRETCH_SAMPLES / 2;
/// What the stretch before and the one after decide about.
const MARGIN_SAMPLES: usize = (STRETCH_SAMPLES - HOP_SAMPLES) / 2;

/// An utterance, with as much of what was said before it as one stretch has room for.
pub(super) struct Stretches {
    samples: Vec<f32>,
    before: usize,
}

/// One of them, and the part of it that it decides about.
pub(super) struct Stretch<'a> {
    /// In the units of 16 bit samples.
    pub(super) samples: &'a [f32],
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) number: usize,
    /// Where it begins in the utterance.
    origin: i64,
}

impl Stretches {
    pub(super) fn new(before: &[i16], utterance: &[i16]) -> Self {
        let room = STRETCH_SAMPLES.saturating_sub(utterance.len());
        let before = &before[before.len() - before.len().min(room)..];
        let both = before.iter().chain(utterance);
        Self {
            samples: both.map(|&sample| f32::from(sample)).collect(),
            before: before.len(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Stretch<'_>> {
        let length = self.samples.len();
        let last = length.saturating_sub(STRETCH_SAMPLES);
        let begins = (0..last).step_by(HOP_SAMPLES).chain([last]);
        let mut decided = self.before;
        begins.enumerate().map(move |(number, begin)| {
            let end = (begin + STRETCH_SAMPLES).min(length);
            let to = if end == length { end } else { end - MARGIN_SAMPLES };
            let from = std::mem::replace(&mut decided, to);
            Stretch {
                samples: &self.samples[begin..end],
                from: from - begin,
                to: to - begin,
                number,
                origin: begin as i64 - self.before as i64,
            }
        })
    }
}

impl Stretch<'_> {
    /// Who speaks in each frame.
    pub(super) fn speaking(&self, segmenter: &Segmenter) -> Vec<[bool; VOICES]> {
        let scaled: Vec<f32> = self.samples.iter().map(|sample| sample / 32_768.0).collect();
        segmenter.speaking(&scaled)
    }

    /// The samples that a frame stands for; the first and the last reach to the edges.
    pub(super) fn span(&self, frame: usize, frames: usize) -> (usize, usize) {
        let begin = FIRST_MIDDLE - FRAME_SAMPLES / 2;
        let from = if frame == 0 {
            0
        } else {
            begin + frame * FRAME_SAMPLES
        };
        let to = if frame + 1 == frames {
            self.samples.len()
        } else {
            begin + (frame + 1) * FRAME_SAMPLES
        };
        (from, to)
    }

    /// Where a sample is in the utterance.
    pub(super) fn ms(&self, sample: usize) -> u32 {
        ((sample as i64 + self.origin).max(0) as usize / SAMPLES_PER_MS) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_of_the_utterance_is_decided_once_and_in_order() {
        for (before, said) in [
            (0, 1),
            (0, 159_999),
            (0, 160_000),
            (40_000, 130_000),
            (160_000, 400_001),
        ] {
            let stretches = Stretches::new(&vec![1; before], &vec![2; said]);
            let mut next = 0;
            for (place, stretch) in stretches.iter().enumerate() {
                assert_eq!(stretch.number, place);
                assert!(stretch.samples.len() <= STRETCH_SAMPLES && stretch.to <= stretch.samples.len());
                assert_eq!(stretch.origin + stretch.from as i64, next, "{before} and {said}");
                assert!(stretch.to > stretch.from && stretch.samples[stretch.from] == 2.0);
                next = stretch.origin + stretch.to as i64;
            }
            assert_eq!(next, said as i64, "{before} and {said}");
        }
    }
}
