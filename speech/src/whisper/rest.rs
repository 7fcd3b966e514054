//! What Whisper left unheard. It may end with the first of two sentences, or with a word; the rest is then heard by itself.

use crate::voice::{FRAME_SAMPLES, Levels};
use crate::{SAMPLES_PER_MS, Word};

/// So much loud sound behind the last word is more words. A word's own sound may go on behind the time that it is given.
const LOUD_MS: usize = 800;
const FRAME_MS: usize = FRAME_SAMPLES / SAMPLES_PER_MS;

/// An utterance's sound, and how loud it is.
pub(super) struct Utterance {
    pub(super) audio: Vec<i16>,
    levels: Levels,
}

impl Utterance {
    pub(super) fn of(audio: Vec<i16>) -> Self {
        let levels = Levels::of(&audio);
        Self { audio, levels }
    }

    pub(super) fn is_noisy(&self) -> bool {
        self.levels.are_noisy()
    }

    /// The first sample behind these words, if there is more to be heard. The utterance begins at `start_ms`. Where nothing was
    /// heard at all it may be that nothing was said.
    pub(super) fn unheard_from(&self, words: &[Word], start_ms: u64) -> Option<usize> {
        let end_ms = words.last()?.end_ms.saturating_sub(start_ms);
        let begin = end_ms as usize * SAMPLES_PER_MS;
        let frames = self.audio.get(begin..)?.chunks_exact(FRAME_SAMPLES);
        let loud = frames.filter(|frame| self.levels.are_exceeded_by(frame)).count();
        (loud * FRAME_MS >= LOUD_MS).then_some(begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So loud for so many milliseconds, one after the other.
    fn utterance(parts: &[(i16, usize)]) -> Utterance {
        let sign = |index: usize| if index.is_multiple_of(2) { 1 } else { -1 };
        let parts = parts
            .iter()
            .flat_map(|&(loud, ms)| vec![loud; ms * SAMPLES_PER_MS]);
        Utterance::of(
            parts
                .enumerate()
                .map(|(index, loud)| loud * sign(index))
                .collect(),
        )
    }

    fn until(end_ms: u64) -> Vec<Word> {
        vec![Word {
            text: "one.".into(),
            start_ms: 5_000,
            end_ms,
            confidence: 0.9,
            speaker: None,
        }]
    }

    #[test]
    fn another_sentence_is_left_and_a_pause_is_not() {
        let two = utterance(&[(20, 300), (3_000, 1_000), (20, 400), (3_000, 1_000), (20, 300)]);
        let from = |end_ms| two.unheard_from(&until(end_ms), 5_000);
        assert_eq!(from(6_300), Some(1_300 * SAMPLES_PER_MS));
        assert_eq!(from(7_700), None, "all was heard");
        assert_eq!(from(6_950), None, "the word's own sound goes on");
        assert_eq!(from(90_000), None, "a time that is not in it");
        assert_eq!(two.unheard_from(&[], 5_000), None);
        let pause = utterance(&[(300, 300), (3_000, 1_000), (300, 3_000)]);
        assert_eq!(
            pause.unheard_from(&until(6_300), 5_000),
            None,
            "noise is no sentence"
        );
        assert_eq!(Utterance::of(Vec::new()).unheard_from(&until(6_300), 5_000), None);
    }
}
