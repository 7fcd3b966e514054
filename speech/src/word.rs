//! What a recogniser says.

use serde::{Deserialize, Serialize};

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
}

impl Word {
    /// The word as it is compared: lower case, letters and digits only.
    pub(crate) fn normal(&self) -> String {
        self.text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    }
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
    /// How long a worker computed.
    pub compute_ms: u64,
}

impl Hypothesis {
    /// The words as one line.
    pub fn text(&self) -> String {
        line(&self.words)
    }
}

/// Words as one line.
pub(crate) fn line(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
