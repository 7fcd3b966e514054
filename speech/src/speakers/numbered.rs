//! An utterance whose recogniser numbers its speakers: what was heard under each number.

use std::collections::BTreeMap;

use super::embedding::EMBEDDING_SIZE;
use crate::{SAMPLES_PER_MS, SpeakerNumber};

/// A longer sound is heard in pieces.
const PIECE_SAMPLES: usize = 4_000 * SAMPLES_PER_MS;
/// Less of a voice says nothing of it.
const SOUND_MIN_SAMPLES: usize = 500 * SAMPLES_PER_MS;

/// Words of one speaker with nobody else's between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedRun {
    /// Where it begins, in milliseconds of the utterance.
    pub start_ms: u32,
    /// Where it ends.
    pub end_ms: u32,
    /// Whose, as the recogniser says.
    pub speaker: SpeakerNumber,
}

/// What a number's voice sounds like in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberSound {
    /// Whose.
    pub speaker: SpeakerNumber,
    /// A direction, its length 1.
    pub direction: [f32; EMBEDDING_SIZE],
    /// How much speech it was heard in.
    pub heard_ms: u32,
}

/// What an utterance's numbers sound like, without those that are known well enough. What is shorter than half a second is
/// left out, and what two say at once (`overlaps`, from when to when).
pub(super) fn sounds(
    audio: &[i16],
    runs: &[NumberedRun],
    overlaps: &[(u32, u32)],
    is_known: impl Fn(SpeakerNumber) -> bool,
    embed: impl Fn(&[i16]) -> Option<[f32; EMBEDDING_SIZE]>,
) -> Vec<NumberSound> {
    let mut said: BTreeMap<SpeakerNumber, Vec<i16>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !is_known(run.speaker)) {
        let place = |ms: u32| (ms as usize * SAMPLES_PER_MS).min(audio.len());
        let said = said.entry(run.speaker).or_default();
        let mut from_ms = run.start_ms;
        let end = (run.end_ms, run.end_ms);
        for &(together_ms, alone_ms) in overlaps.iter().chain([&end]) {
            let (from, to) = (place(from_ms), place(together_ms.min(run.end_ms)));
            said.extend_from_slice(&audio[from..to.max(from)]);
            from_ms = from_ms.max(alone_ms);
        }
    }
    let mut sounds = Vec::new();
    for (speaker, said) in said {
        let pieces = (said.len() / PIECE_SAMPLES).max(1);
        for piece in 0..pieces {
            let part = &said[said.len() * piece / pieces..said.len() * (piece + 1) / pieces];
            if part.len() >= SOUND_MIN_SAMPLES
                && let Some(direction) = embed(part)
            {
                sounds.push(NumberSound {
                    speaker,
                    direction,
                    heard_ms: (part.len() / SAMPLES_PER_MS) as u32,
                });
            }
        }
    }
    sounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_sounds_like_what_it_says_alone() {
        let speaker = SpeakerNumber {
            connection: 0,
            number: 0,
        };
        let run = NumberedRun {
            start_ms: 1_000,
            end_ms: 4_000,
            speaker,
        };
        // Each sample says in which tenth of a second it is.
        let audio: Vec<i16> = (0..5_000 * SAMPLES_PER_MS)
            .map(|place| (place / 1_600) as i16)
            .collect();
        let heard = |overlaps: &[(u32, u32)]| {
            let tenths = std::cell::RefCell::new(Vec::new());
            let embed = |samples: &[i16]| {
                tenths.borrow_mut().extend(samples.iter().step_by(1_600));
                Some([0.0; EMBEDDING_SIZE])
            };
            let found = sounds(&audio, &[run], overlaps, |_| false, embed);
            (tenths.into_inner(), found.first().map(|sound| sound.heard_ms))
        };
        let all: Vec<i16> = (10..40).collect();
        assert_eq!(heard(&[]), (all.clone(), Some(3_000)));
        assert_eq!(heard(&[(0, 900), (4_000, 4_800)]), (all, Some(3_000)));
        let alone = (15..20).chain(25..38).collect();
        assert_eq!(
            heard(&[(500, 1_500), (2_000, 2_500), (3_800, 4_500)]),
            (alone, Some(1_800))
        );
        assert_eq!(heard(&[(0, 5_000)]), (Vec::new(), None));
    }
}
