//! A recogniser's words as a segment's.

use super::types::Word;

/// The words that are words: recognisers leave lone marks at the edges of an utterance, and double them.
pub(super) fn words_of(words: &[speech::Word]) -> Vec<Word> {
    let is_word = |word: &&speech::Word| word.text.chars().any(char::is_alphanumeric);
    let word = |word: &speech::Word| Word {
        text: tidy(&word.text),
        start_ms: word.start_ms,
        end_ms: word.end_ms.max(word.start_ms),
        confidence: word.confidence,
        speaker: word.speaker,
    };
    words.iter().filter(is_word).map(word).collect()
}

fn tidy(word: &str) -> String {
    // Postgres takes no NUL in a text.
    let word = word.trim().replace('\0', "");
    match word.strip_suffix('.') {
        Some(asked) if asked.ends_with(['?', '!']) => asked.to_owned(),
        _ => word,
    }
}

/// Words as one line.
pub(super) fn line_of(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
