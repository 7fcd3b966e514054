//! Whisper off line: the whole recording, the encoder's full context, whisper.cpp's own fallbacks. It shares no code with the
//! product's recogniser, which it is the measure of.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use whisper_rs::{
    DtwMode, DtwModelPreset, DtwParameters, FullParams, SamplingStrategy, WhisperContext,
    WhisperContextParameters, WhisperState,
};

/// A word with the end of its sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Word {
    pub text: String,
    pub end_ms: usize,
}

impl Word {
    /// The same word so much later.
    pub(crate) fn later(&self, by_ms: usize) -> Self {
        Self {
            text: self.text.clone(),
            end_ms: self.end_ms + by_ms,
        }
    }
}

/// The loaded model.
pub(crate) struct Offline {
    state: WhisperState,
}

impl Offline {
    /// Loads tiny.en.
    ///
    /// # Errors
    /// The file is no model.
    pub(crate) fn load(model: &Path) -> Result<Self> {
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::default();
        // The attention heads that follow the sound give the times of the words.
        parameters.dtw_parameters(DtwParameters {
            mode: DtwMode::ModelPreset {
                model_preset: DtwModelPreset::TinyEn,
            },
            ..Default::default()
        });
        let context = WhisperContext::new_with_params(model, parameters)
            .with_context(|| format!("loading {}", model.display()))?;
        Ok(Self {
            state: context.create_state()?,
        })
    }

    /// The words of a recording.
    ///
    /// # Errors
    /// whisper.cpp fails.
    pub(crate) fn words(&mut self, samples: &[i16]) -> Result<Vec<Word>> {
        let samples: Vec<f32> = samples
            .iter()
            .map(|&sample| f32::from(sample) / 32_768.0)
            .collect();
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(std::thread::available_parallelism()?.get() as i32);
        params.set_no_context(true);
        params.set_token_timestamps(true);
        params.set_suppress_blank(true);
        params.set_suppress_nst(true);
        params.set_print_special(false);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        self.state.full(params, &samples)?;
        let mut pieces: Vec<(Vec<u8>, usize)> = Vec::new();
        for segment in self.state.as_iter() {
            for index in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(index) else {
                    continue;
                };
                let (bytes, data) = (token.to_bytes()?, token.token_data());
                if bytes.starts_with(b"[_") || bytes.starts_with(b"<|") {
                    continue;
                }
                let end_ms = data.t_dtw.max(0) as usize * 10;
                add(&mut pieces, bytes, end_ms);
            }
        }
        let word = |(bytes, end_ms): (Vec<u8>, usize)| Word {
            text: String::from_utf8_lossy(&bytes).trim().to_owned(),
            end_ms,
        };
        Ok(pieces
            .into_iter()
            .map(word)
            .filter(|word| !word.text.is_empty())
            .collect())
    }
}

/// A token that does not begin with a space goes on with the word before; punctuation has no sound of its own.
fn add(pieces: &mut Vec<(Vec<u8>, usize)>, bytes: &[u8], end_ms: usize) {
    match pieces.last_mut() {
        Some((word, word_end_ms)) if !bytes.starts_with(b" ") => {
            word.extend_from_slice(bytes);
            if !bytes.iter().all(u8::is_ascii_punctuation) {
                *word_end_ms = end_ms;
            }
        }
        _ => pieces.push((bytes.to_vec(), end_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_make_words_and_a_full_stop_is_no_sound() {
        let mut pieces = Vec::new();
        for (token, end_ms) in [(" incred", 300), ("ulity", 700), (".", 1_500), (" It", 1_700)] {
            add(&mut pieces, token.as_bytes(), end_ms);
        }
        assert_eq!(
            pieces,
            [(b" incredulity.".to_vec(), 700), (b" It".to_vec(), 1_700)]
        );
    }
}
