//! Texts as Whisper's tokens.

use whisper_rs::{WhisperContext, WhisperTokenId};

/// Longer texts are not asked for: whisper.cpp looks for each word in all that is left.
pub(super) const TEXT_BYTES: usize = 2_000;

/// The tokens of a text as it stands behind another; `None` if it is too long or has a zero in it.
///
/// There is room for one in each byte, and none is shorter. Where there is too little, `whisper-rs` 0.16 takes for a length
/// what whisper.cpp gives then, the count as a negative number, and reads beyond its memory.
pub(super) fn tokens_of(context: &WhisperContext, text: &str) -> Option<Vec<WhisperTokenId>> {
    if text.len() > TEXT_BYTES {
        return None;
    }
    let text = format!(" {text}");
    context.tokenize(&text, text.len()).ok()
}

/// The end of a text, as much as [`tokens_of`] takes.
pub(super) fn end_of(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(TEXT_BYTES))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_whole_letters() {
        assert_eq!(end_of("short"), "short");
        let long = "é".repeat(TEXT_BYTES) + "x";
        assert_eq!(end_of(&long).len(), TEXT_BYTES - 1);
        assert!(long.ends_with(end_of(&long)));
    }
}
