//! What a recogniser says.

use serde::{Deserialize, Serialize};

/// Whom a recogniser that tells voices apart itself takes for a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpeakerNumber {
    /// Which of the recogniser's connections: numbers of two of them have nothing to do with each other.
    pub connection: u64,
    /// The same for the same voice.
    pub number: u32,
}

/// One recognised word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As it is written, with its punctuation, without blanks around it.
    pub text: String,
    /// Milliseconds on the clock of the request's `start_ms`.
    pub start_ms: u64,
    /// Not before `start_ms`.
    pub end_ms: u64,
    /// The recogniser's own estimate, 0 to 1.
    pub confidence: f32,
    /// Which of a track's voices said it, where the recogniser tells voices apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<SpeakerNumber>,
}

impl Word {
    /// The word as it is compared: lower case, letters and digits only.
    pub(crate) fn normal(&self) -> String {
        normal(&self.text)
    }
}

/// A word as it is compared.
pub(crate) fn normal(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a recogniser takes an utterance for.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The utterance's number within its track.
    pub utterance: u64,
    /// In order; none when there was no speech.
    pub words: Vec<Word>,
    /// What recognised it, for example `whisper:ggml-tiny.en`.
    pub engine: String,
    /// How much audio was recognised.
    pub audio_ms: u64,
    /// Whether the request's audio was recognised to its end, and as well as this engine can: a final of the same audio
    /// would say the same. Engines that recognise while they hear say `false` as long as words are on their way.
    pub is_whole: bool,
    /// How long a worker of this process computed; 0 when the work is done elsewhere.
    pub compute_ms: u64,
}

impl Hypothesis {
    /// The words as one line.
    pub fn text(&self) -> String {
        line(&self.words)
    }
}

/// With these a speaker goes on, whatever mark the recogniser puts behind them.
const GOING_ON: [&str; 16] = [
    "a", "an", "and", "because", "but", "er", "erm", "if", "mm", "my", "or", "so", "the", "uh", "um", "your",
];

/// Whether the words end a sentence, so that a short pause behind them is the end of what is said.
pub fn is_sentence(words: &[Word]) -> bool {
    words.last().is_some_and(|word| {
        word.text.ends_with(['.', '?', '!'])
            && !word.text.ends_with("..")
            && !GOING_ON.contains(&word.normal().as_str())
    })
}

/// Words as one line.
pub(crate) fn line(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_its_mark_and_does_not_end_with_and() {
        let ends = |text: &str| {
            let word = |text: &str| Word {
                text: text.to_owned(),
                start_ms: 0,
                end_ms: 0,
                confidence: 1.0,
                speaker: None,
            };
            is_sentence(&text.split_whitespace().map(word).collect::<Vec<_>>())
        };
        assert!(ends("How long do we keep them?") && ends("Thirty days."));
        assert!(!ends("How long do we keep") && !ends("thirty days, and."));
        assert!(!ends("well...") && !ends("the rooms,") && !ends(""));
    }
}
