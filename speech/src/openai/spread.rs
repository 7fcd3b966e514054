//! Times for words that came without: each gets a share of the voiced time by its length. Pure.

use crate::voice::rms;
use crate::{SAMPLES_PER_MS, Word};

const FRAME_MS: usize = 20;
/// A frame is voiced when it is this loud, compared with the loud frames of the same utterance.
const VOICED_SHARE: f64 = 0.1;
/// The loud frames: this share of all is louder.
const LOUD: f64 = 0.05;
/// Of which nothing is known: neither sure nor unsure.
pub(super) const CONFIDENCE_UNKNOWN: f32 = 0.5;

/// Lays words over the voiced time of an utterance that begins at `start_ms`.
pub(super) fn spread<'a>(words: impl Iterator<Item = &'a str>, audio: &[i16], start_ms: u64) -> Vec<Word> {
    let words: Vec<&str> = words.collect();
    let voiced = voiced(audio);
    let audio_ms = (audio.len() / SAMPLES_PER_MS) as u64;
    // A pause between words counts as one letter.
    let letters = |word: &str| word.chars().count() + 1;
    let total: usize = words.iter().map(|word| letters(word)).sum();
    let mut said = 0;
    words
        .into_iter()
        .map(|text| {
            let first = said * voiced.len() / total;
            said += letters(text);
            let last = (said * voiced.len() / total).saturating_sub(1).max(first);
            let at = |frame: usize| voiced.get(frame).map_or(0, |frame| (frame * FRAME_MS) as u64);
            Word {
                text: text.to_owned(),
                start_ms: start_ms + at(first).min(audio_ms),
                end_ms: start_ms + (at(last) + FRAME_MS as u64).min(audio_ms),
                confidence: CONFIDENCE_UNKNOWN,
                speaker: None,
            }
        })
        .collect()
}

/// The numbers of the frames in which somebody speaks; all of them when that cannot be told.
fn voiced(audio: &[i16]) -> Vec<usize> {
    let loudness: Vec<f64> = audio.chunks(FRAME_MS * SAMPLES_PER_MS).map(rms).collect();
    let mut sorted = loudness.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let loud = sorted
        .get((sorted.len() as f64 * LOUD) as usize)
        .copied()
        .unwrap_or_default();
    (0..loudness.len())
        .filter(|&frame| loudness[frame] >= loud * VOICED_SHARE)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_lie_where_there_is_voice() {
        // Half a second of nothing, a second of voice, a second of nothing, a second of voice.
        let mut audio = vec![0i16; 500 * SAMPLES_PER_MS];
        for loud in [true, false, true] {
            audio.extend((0..1_000 * SAMPLES_PER_MS).map(|at| {
                let wave = if at % 16 < 8 { 5_000 } else { -5_000 };
                if loud { wave } else { wave / 1_000 }
            }));
        }
        let words = spread("aaaa bbbb cccc dddd".split(' '), &audio, 10_000);
        let times: Vec<_> = words
            .iter()
            .map(|word| (word.start_ms - 10_000, word.end_ms - 10_000))
            .collect();
        assert_eq!(
            times,
            [(500, 1_000), (1_000, 1_500), (2_500, 3_000), (3_000, 3_500)]
        );
    }

    proptest! {
        #[test]
        fn times_go_on_and_stay_within_the_audio(
            text in "[a-z]{1,12}( [a-z]{1,12}){0,40}",
            audio in prop::collection::vec(any::<i16>(), 0..8_000),
        ) {
            let words = spread(text.split(' '), &audio, 7);
            let end_ms = 7 + (audio.len() / SAMPLES_PER_MS) as u64;
            prop_assert_eq!(words.len(), text.split(' ').count());
            for word in &words {
                prop_assert!(word.start_ms <= word.end_ms && word.end_ms <= end_ms, "{:?}", word);
            }
            for pair in words.windows(2) {
                prop_assert!(pair[0].start_ms <= pair[1].start_ms);
            }
        }
    }
}
