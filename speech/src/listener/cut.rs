//! Where somebody who does not pause is cut.

use crate::SAMPLES_PER_MS;
use crate::voice::rms;

/// What is quiet for so long is between words; within words are shorter closures that are as quiet. The figures are in
/// docs/decisions/0005-streaming-whisper.md.
const CUT_PAUSE_MS: usize = 240;
/// Places that are compared are so many samples apart.
const CUT_STEP: usize = 10 * SAMPLES_PER_MS;

/// Where a cut harms least, in whole milliseconds: the middle of the quietest [`CUT_PAUSE_MS`].
pub(super) fn cut_place(samples: &[i16]) -> usize {
    let pause = CUT_PAUSE_MS * SAMPLES_PER_MS;
    let Some(last) = samples.len().checked_sub(pause) else {
        return samples.len();
    };
    (0..=last)
        .step_by(CUT_STEP)
        .min_by(|&a, &b| rms(&samples[a..a + pause]).total_cmp(&rms(&samples[b..b + pause])))
        .map_or(samples.len(), |start| start + pause / 2)
}
