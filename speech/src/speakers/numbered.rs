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
/// left out.
pub(super) fn sounds(
    audio: &[i16],
    runs: &[NumberedRun],
    is_known: impl Fn(SpeakerNumber) -> bool,
    embed: impl Fn(&[i16]) -> Option<[f32; EMBEDDING_SIZE]>,
) -> Vec<NumberSound> {
    let mut said: BTreeMap<SpeakerNumber, Vec<i16>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !is_known(run.speaker)) {
        let place = |ms: u32| (ms as usize * SAMPLES_PER_MS).min(audio.len());
        let (from, to) = (place(run.start_ms), place(run.end_ms));
        said.entry(run.speaker)
            .or_default()
            .extend_from_slice(&audio[from..to.max(from)]);
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
