//! A recogniser that numbers speakers itself says which words are whose: runs of words with the same number. Whose number it
//! is the networks say, by its sound. Without them a number is a voice of its own, for as long as its connection lasts: a new
//! label is better than somebody else's.

use std::collections::BTreeMap;

use speech::{NumberedRun, SpeakerNumber, VOICE_LABEL_LAST, VoiceLabel};

use crate::session::types::Word;

/// The runs of an utterance that begins at `start_ms`; none when its recogniser does not tell voices apart.
pub fn runs(words: &[Word], start_ms: u64) -> Vec<NumberedRun> {
    let place = |ms: u64| u32::try_from(ms.saturating_sub(start_ms)).unwrap_or(u32::MAX);
    let mut runs: Vec<NumberedRun> = Vec::new();
    let mut before = None;
    for word in words {
        let (from_ms, to_ms) = (place(word.start_ms), place(word.end_ms.max(word.start_ms)));
        match (word.speaker, runs.last_mut()) {
            (Some(speaker), Some(run)) if before == Some(speaker) => run.end_ms = run.end_ms.max(to_ms),
            (Some(speaker), _) => runs.push(NumberedRun {
                start_ms: from_ms,
                end_ms: to_ms,
                speaker,
            }),
            (None, _) => {}
        }
        before = word.speaker;
    }
    runs
}

/// The labels of numbers that nobody can hear.
#[derive(Debug, Default)]
pub struct Labels {
    given: BTreeMap<SpeakerNumber, VoiceLabel>,
    /// No number gets this label or a lower one.
    taken: VoiceLabel,
}

impl Labels {
    /// Labels up to this one were given before.
    pub fn take(&mut self, last: VoiceLabel) {
        self.taken = self.taken.max(last);
    }

    /// A number's label; whoever comes after the last one has none.
    pub fn of(&mut self, number: SpeakerNumber) -> Option<VoiceLabel> {
        if let Some(label) = self.given.get(&number) {
            return Some(*label);
        }
        if self.taken >= VOICE_LABEL_LAST {
            return None;
        }
        self.taken += 1;
        self.given.insert(number, self.taken);
        Some(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker(connection: u64, number: u32) -> SpeakerNumber {
        SpeakerNumber { connection, number }
    }

    #[test]
    fn runs_are_of_one_number_and_words_without_one_are_nobodys() {
        let words: Vec<Word> = [Some(0), Some(0), Some(1), None, Some(1), Some(0)]
            .into_iter()
            .zip(0..)
            .map(|(number, place)| Word {
                text: "word".to_owned(),
                start_ms: 5_000 + place * 100,
                end_ms: 5_000 + place * 100 + 90,
                confidence: 1.0,
                speaker: number.map(|number| speaker(0, number)),
            })
            .collect();
        let found: Vec<(u32, u32, u32)> = runs(&words, 5_000)
            .iter()
            .map(|run| (run.start_ms, run.end_ms, run.speaker.number))
            .collect();
        assert_eq!(found, [(0, 190, 0), (200, 290, 1), (400, 490, 1), (500, 590, 0)]);
        assert!(runs(&[], 0).is_empty() && runs(&words[3..4], 0).is_empty());
        // Words that begin before their utterance do so at its beginning.
        assert_eq!(runs(&words[..1], 5_050)[0].start_ms, 0);
    }

    #[test]
    fn a_number_of_another_connection_is_somebody_else_and_there_is_a_last_label() {
        let mut labels = Labels::default();
        labels.take(2);
        let first = [
            labels.of(speaker(0, 0)),
            labels.of(speaker(0, 1)),
            labels.of(speaker(0, 0)),
        ];
        assert_eq!(first, [Some(3), Some(4), Some(3)]);
        assert_eq!(labels.of(speaker(1, 0)), Some(5));
        labels.take(VOICE_LABEL_LAST - 1);
        assert_eq!(labels.of(speaker(2, 0)), Some(VOICE_LABEL_LAST));
        assert_eq!(
            (labels.of(speaker(2, 1)), labels.of(speaker(1, 0))),
            (None, Some(5))
        );
    }
}
