//! Where somebody who does not pause is cut.

use std::ops::Range;

use crate::SAMPLES_PER_MS;
use crate::voice::rms;

/// What is quiet for so long is between words; within words are shorter closures that are as quiet. The figures are in
/// docs/decisions/0005-streaming-whisper.md.
const CUT_PAUSE_MS: usize = 240;
/// The quietest so much of that is the gap itself: where the sound ends within the gap, the middle of the pause is in the word
/// before.
const CUT_GAP_MS: usize = 120;
/// Places that are compared are so many samples apart.
const CUT_STEP: usize = 10 * SAMPLES_PER_MS;

/// Where a cut harms least, in whole milliseconds: the middle of the gap in the quietest [`CUT_PAUSE_MS`].
pub(super) fn cut_place(samples: &[i16]) -> usize {
    quietest(samples, 0..samples.len(), CUT_PAUSE_MS)
        .and_then(|pause| quietest(samples, pause, CUT_GAP_MS))
        .map_or(samples.len(), |gap| (gap.start + gap.end) / 2)
}

/// The first quietest part of so many milliseconds, if there is so much.
fn quietest(samples: &[i16], within: Range<usize>, ms: usize) -> Option<Range<usize>> {
    let length = ms * SAMPLES_PER_MS;
    let last = within.end.checked_sub(length)?;
    (within.start..=last)
        .step_by(CUT_STEP)
        .map(|start| start..start + length)
        .min_by(|a, b| rms(&samples[a.clone()]).total_cmp(&rms(&samples[b.clone()])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(parts: &[(usize, i16)]) -> Vec<i16> {
        let part = |&(ms, level): &(usize, i16)| {
            (0..ms * SAMPLES_PER_MS).map(move |at| if at % 2 == 0 { level } else { -level })
        };
        parts.iter().flat_map(part).collect()
    }

    #[test]
    fn a_gap_that_is_not_over_is_where_it_is_cut() {
        let place = cut_place(&sound(&[(2_000, 8_000), (119, 40)]));
        assert!(place >= 2_000 * SAMPLES_PER_MS, "{place}");
    }

    #[test]
    fn a_closure_within_a_word_is_not_where_it_is_cut() {
        let place = cut_place(&sound(&[
            (1_000, 8_000),
            (80, 20),
            (900, 8_000),
            (160, 40),
            (500, 8_000),
        ]));
        assert!((1_980..2_140).contains(&(place / SAMPLES_PER_MS)), "{place}");
    }

    #[test]
    fn too_little_is_not_cut() {
        assert_eq!(cut_place(&sound(&[(200, 8_000)])), 200 * SAMPLES_PER_MS);
    }
}
