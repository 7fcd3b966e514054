//! Local agreement: of a text that is recognised again and again while it grows, the words on which two hypotheses in
//! a row agree are committed (LocalAgreement-2, Liu et al. 2020; Macháček et al. 2023).
//!
//! A committed word never changes in a later partial. The final pass over the whole utterance is the record, and may
//! differ from what was committed: whoever shows captions replaces them by it.

use crate::word::line;
use crate::{Hypothesis, Word};

/// The partial text of one utterance.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    committed: Vec<Word>,
    previous: Vec<Word>,
}

/// What to show now.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptionUpdate {
    /// Settled until the final.
    pub committed: Vec<Word>,
    /// May still change.
    pub tentative: Vec<Word>,
}

impl CaptionUpdate {
    /// The whole text: settled words, then the others.
    pub fn text(&self) -> String {
        let (committed, tentative) = (line(&self.committed), line(&self.tentative));
        match (committed.is_empty(), tentative.is_empty()) {
            (false, false) => format!("{committed} {tentative}"),
            (_, true) => committed,
            (true, _) => tentative,
        }
    }
}

impl Agreement {
    /// Takes the next hypothesis of the same utterance.
    pub fn update(&mut self, hypothesis: &Hypothesis) -> CaptionUpdate {
        let tail = self.tail_of(&hypothesis.words);
        let agreed = tail
            .iter()
            .zip(&self.previous)
            .take_while(|(now, before)| now.normal() == before.normal())
            .count();
        self.committed.extend_from_slice(&tail[..agreed]);
        self.previous = tail[agreed..].to_vec();
        CaptionUpdate {
            committed: self.committed.clone(),
            tentative: self.previous.clone(),
        }
    }

    /// The words that are settled so far.
    pub fn committed(&self) -> &[Word] {
        &self.committed
    }

    /// The part of a hypothesis that lies behind what is committed. As long as it repeats the committed words they are
    /// counted off; where it has changed its mind about them, time decides.
    fn tail_of(&self, words: &[Word]) -> Vec<Word> {
        let repeated = words.len() >= self.committed.len()
            && self
                .committed
                .iter()
                .zip(words)
                .all(|(committed, word)| committed.normal() == word.normal());
        if repeated {
            return words[self.committed.len()..].to_vec();
        }
        let Some(last) = self.committed.last() else {
            return words.to_vec();
        };
        words
            .iter()
            .skip_while(|word| (word.start_ms + word.end_ms) / 2 < last.end_ms)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(text: &str) -> Hypothesis {
        let words = text
            .split_whitespace()
            .enumerate()
            .map(|(index, word)| Word {
                text: word.to_owned(),
                start_ms: index as u64 * 300,
                end_ms: index as u64 * 300 + 250,
                confidence: 0.9,
                speaker: None,
            })
            .collect();
        Hypothesis {
            utterance: 0,
            words,
            engine: "test".into(),
            audio_ms: 0,
            is_whole: true,
            compute_ms: 0,
        }
    }

    #[test]
    fn a_word_is_settled_when_two_hypotheses_agree() {
        let mut agreement = Agreement::default();
        let first = agreement.update(&heard("it was the bested"));
        assert_eq!(
            (line(&first.committed).as_str(), first.text().as_str()),
            ("", "it was the bested")
        );
        let second = agreement.update(&heard("It was the best of"));
        assert_eq!(line(&second.committed), "It was the");
        assert_eq!(second.text(), "It was the best of");
        let third = agreement.update(&heard("It was the best of times,"));
        assert_eq!(line(&third.committed), "It was the best of");
    }

    #[test]
    fn a_settled_word_stays_when_the_recogniser_changes_its_mind() {
        let mut agreement = Agreement::default();
        agreement.update(&heard("we keep recordings"));
        agreement.update(&heard("we keep recordings for"));
        let update = agreement.update(&heard("he kept the recordings for thirty days"));
        assert!(
            update.text().starts_with("we keep recordings"),
            "{}",
            update.text()
        );
    }

    proptest! {
        #[test]
        fn what_is_committed_only_grows(texts in prop::collection::vec("([ab]{1,2} ){0,8}", 0..12)) {
            let mut agreement = Agreement::default();
            let mut before = String::new();
            for text in texts {
                let committed = line(&agreement.update(&heard(&text)).committed);
                prop_assert!(committed.starts_with(&before), "{before:?} became {committed:?}");
                before = committed;
            }
        }
    }
}
