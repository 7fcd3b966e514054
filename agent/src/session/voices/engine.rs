//! Turns of an utterance whose recogniser says itself who speaks: runs of words with the same number.

use speech::VoiceLabel;

use crate::session::types::Word;

/// Somebody's words without anybody else's between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// On the meeting clock.
    pub start_ms: u64,
    /// On the meeting clock.
    pub end_ms: u64,
    /// Whose: the engine's number, counted from 1.
    pub label: VoiceLabel,
}

/// The runs of an utterance; none when its engine does not tell voices apart.
pub fn runs(words: &[Word]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before = None;
    for word in words {
        let label = word.speaker.map(|number| number.saturating_add(1));
        match (label, runs.last_mut()) {
            (Some(label), Some(run)) if before == Some(label) => run.end_ms = run.end_ms.max(word.end_ms),
            (Some(label), _) => runs.push(Run {
                start_ms: word.start_ms,
                end_ms: word.end_ms.max(word.start_ms),
                label,
            }),
            (None, _) => {}
        }
        before = label;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_of_one_number_and_words_without_one_are_nobodys() {
        let words: Vec<Word> = [Some(0), Some(0), Some(1), None, Some(1), Some(0)]
            .into_iter()
            .zip(0..)
            .map(|(speaker, place)| Word {
                text: "word".to_owned(),
                start_ms: place * 100,
                end_ms: place * 100 + 90,
                confidence: 1.0,
                speaker,
            })
            .collect();
        let found: Vec<(u64, u64, u32)> = runs(&words)
            .iter()
            .map(|run| (run.start_ms, run.end_ms, run.label))
            .collect();
        assert_eq!(found, [(0, 190, 1), (200, 290, 2), (400, 490, 2), (500, 590, 1)]);
        assert!(runs(&[]).is_empty() && runs(&words[3..4]).is_empty());
    }
}
