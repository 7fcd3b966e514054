//! Where two people speak at once in an utterance, for those who know already who they are.

use super::segmentation::Segmenter;
use super::stretches::Stretches;
use crate::SAMPLES_PER_MS;

/// What is shorter is nobody's turn.
const OVERLAP_MIN_SAMPLES: usize = 150 * SAMPLES_PER_MS;

/// From when to when, in milliseconds of the utterance; `before` is what was said just before it on the same track.
pub(super) fn overlaps(segmenter: &Segmenter, before: &[i16], utterance: &[i16]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for stretch in Stretches::new(before, utterance).iter() {
        let frames = stretch.speaking(segmenter);
        let mut together: Option<(usize, usize)> = None;
        let mut over = |together: Option<(usize, usize)>| {
            if let Some((from, to)) = together.filter(|(from, to)| to - from >= OVERLAP_MIN_SAMPLES) {
                found.push((stretch.ms(from), stretch.ms(to)));
            }
        };
        for (frame, speaking) in frames.iter().enumerate() {
            let (from, to) = stretch.span(frame, frames.len());
            let (from, to) = (from.max(stretch.from), to.min(stretch.to));
            if from >= to {
                continue;
            }
            if speaking.iter().filter(|speaks| **speaks).count() > 1 {
                together = Some((together.map_or(from, |(begun, _)| begun), to));
            } else {
                over(together.take());
            }
        }
        over(together);
    }
    found
}
