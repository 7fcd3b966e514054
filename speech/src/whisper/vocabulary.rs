//! What of a model's vocabulary our own search needs to know.

use whisper_rs::{WhisperContext, WhisperTokenId};

/// The tokens that are no plain text.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Before the text: start of transcript, and language and task where the model knows several.
    pub(super) start: Vec<WhisperTokenId>,
    pub(super) end: usize,
    /// The mark of time zero; the others follow.
    pub(super) first_mark: usize,
    /// Not text, and no text's beginning.
    pub(super) blank: Vec<usize>,
    /// Brackets, notes and the like: how subtitles describe what is no speech.
    pub(super) descriptions: Vec<usize>,
}

impl Vocabulary {
    /// Some token.
    pub(super) fn any(&self) -> WhisperTokenId {
        self.end as WhisperTokenId
    }

    pub(super) fn of(context: &WhisperContext) -> Self {
        let mut start = vec![context.token_sot()];
        if context.is_multilingual() {
            let english = whisper_rs::get_lang_id("en").unwrap_or_default();
            start.extend([context.token_lang(english), context.token_transcribe()]);
        }
        let end = context.token_eot() as usize;
        let text = |token: usize| context.token_to_bytes(token as i32).unwrap_or_default();
        let is_description = |token: &usize| {
            let text = text(*token).trim_ascii();
            let odd = |byte: &u8| b"\"#()*+/:;<=>@[\\]^_`{|}~".contains(byte);
            !text.is_empty() && (text.iter().all(odd) || text == "\u{266a}".as_bytes() || text == b"--")
        };
        Self {
            start,
            end,
            first_mark: context.token_beg() as usize,
            blank: (0..end).filter(|&token| text(token) == b" ").collect(),
            descriptions: (0..end).filter(is_description).collect(),
        }
    }
}
