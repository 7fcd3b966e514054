//! Whisper's tokens as words: put together from pieces, timed by where the attention was, and rid of what nobody said.

use whisper_rs::{WhisperSegment, WhisperState};

use super::guard;
use crate::{Request, SAMPLES_PER_MS, Word};

/// A word that is being put together from tokens.
struct Pieces {
    bytes: Vec<u8>,
    start_ms: u64,
    end_ms: u64,
    confidence: f32,
}

/// A word lasts no longer than this and so much for each of its letters: a pause before it is not its own.
const WORD_MS: (u64, u64) = (150, 60);

/// All that was heard in the request's audio.
pub(super) fn words_of(state: &WhisperState, request: &Request) -> Vec<Word> {
    let audio_end_ms = request.start_ms + (request.audio.len() / SAMPLES_PER_MS) as u64;
    let mut words = Vec::new();
    for segment in state.as_iter() {
        for line in lines_of(&segment, request.start_ms) {
            let mut line_words: Vec<Word> = line
                .pieces
                .into_iter()
                .filter_map(|piece| word_of(piece, audio_end_ms))
                .collect();
            if line.is_timed {
                let heard = line_words.len() - guard::soundless_tail(&line_words);
                // Of a line that is said a second time, the first word takes the pause before it for its sound.
                let is_echo = heard == 1 && line_words.len() > 1 && !words.is_empty();
                line_words.truncate(if is_echo { 0 } else { heard });
            }
            if !guard::is_phantom(&line_words, segment.no_speech_probability()) {
                words.extend(line_words);
            }
        }
    }
    // Times of a run may overlap by a hair; words are in the order they are read.
    for index in 1..words.len() {
        let before: &Word = &words[index - 1];
        let earliest = before.start_ms;
        let word = &mut words[index];
        word.start_ms = word.start_ms.max(earliest);
        word.end_ms = word.end_ms.max(word.start_ms);
    }
    words.truncate(words.len() - guard::hasty_repeat(&words));
    words
}

/// What is between two times that Whisper says, mostly a sentence.
#[derive(Default)]
struct Line {
    pieces: Vec<Pieces>,
    /// The attention tells when its last token ended.
    is_timed: bool,
}

fn lines_of(segment: &WhisperSegment<'_>, start_ms: u64) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    // Where the token before ended, if the attention tells.
    let mut before_ms = None;
    for index in 0..segment.n_tokens() {
        let Some(token) = segment.get_token(index) else {
            continue;
        };
        let (Ok(bytes), data) = (token.to_bytes(), token.token_data()) else {
            continue;
        };
        if bytes.starts_with(b"[_TT_") {
            lines.push(Line::default());
            before_ms = None;
        }
        // Special tokens ("[_TT_50]", "<|endoftext|>") are no text.
        let Some(line) = lines.last_mut().filter(|_| !is_special(bytes)) else {
            continue;
        };
        let at = |hundredths: i64| start_ms + hundredths.max(0) as u64 * 10;
        // whisper.cpp names the moment at which the attention goes on to the next token: this one's end.
        let (start_ms, end_ms) = match data.t_dtw {
            ..0 => (at(data.t0), at(data.t1)),
            end => (before_ms.unwrap_or(start_ms), at(end)),
        };
        before_ms = (data.t_dtw >= 0).then_some(end_ms);
        line.is_timed = before_ms.is_some();
        match line.pieces.last_mut() {
            Some(word) if !bytes.starts_with(b" ") => {
                word.bytes.extend_from_slice(bytes);
                // A full stop is no sound: the pause behind the word is its.
                if !bytes.iter().all(u8::is_ascii_punctuation) {
                    word.end_ms = word.end_ms.max(end_ms);
                }
                word.confidence = word.confidence.min(data.p);
            }
            _ => line.pieces.push(Pieces {
                bytes: bytes.to_vec(),
                start_ms,
                end_ms,
                confidence: data.p,
            }),
        }
    }
    lines
}

fn is_special(token: &[u8]) -> bool {
    token.starts_with(b"[_") || token.starts_with(b"<|")
}

fn word_of(piece: Pieces, audio_end_ms: u64) -> Option<Word> {
    let text = spelled(&String::from_utf8_lossy(&piece.bytes));
    let longest_ms = WORD_MS.0 + WORD_MS.1 * text.chars().count() as u64;
    let end_ms = piece.end_ms.min(audio_end_ms);
    let start_ms = piece.start_ms.clamp(end_ms.saturating_sub(longest_ms), end_ms);
    (!text.is_empty()).then_some(Word {
        text,
        start_ms,
        end_ms,
        confidence: piece.confidence,
        speaker: None,
    })
}

/// A word without what Whisper writes around it when the prompt was a list: a comma of its own, a row of full stops.
fn spelled(text: &str) -> String {
    let text = text.trim();
    if !text.contains(char::is_alphanumeric) {
        return String::new();
    }
    let bare = text.trim_end_matches('.');
    let stops = text.len() - bare.len();
    if bare.ends_with(['?', '!']) || stops > 3 {
        let stop = if bare.ends_with(['?', '!']) { "" } else { "." };
        return format!("{bare}{stop}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_as_prompt_leaves_behind_is_no_word() {
        let told = [
            " ,",
            "...",
            " recordings?.......",
            " today.",
            " well...",
            " end.....",
            "$",
            " 25-mg",
        ]
        .map(spelled);
        assert_eq!(
            told,
            ["", "", "recordings?", "today.", "well...", "end.", "", "25-mg"]
        );
    }

    #[test]
    fn a_word_does_not_begin_in_the_pause_before_it() {
        let piece = |text: &str, start_ms, end_ms| Pieces {
            bytes: text.into(),
            start_ms,
            end_ms,
            confidence: 0.9,
        };
        let times = |piece| word_of(piece, 5_000).map(|word| (word.start_ms, word.end_ms));
        assert_eq!(times(piece(" morning,", 300, 700)), Some((300, 700)));
        assert_eq!(times(piece(" Ben", 700, 3_000)), Some((2_670, 3_000)));
        assert_eq!(times(piece(" Ben", 4_900, 6_000)), Some((4_900, 5_000)));
        assert_eq!(times(piece(" ", 0, 100)), None);
    }
}
