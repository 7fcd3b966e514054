//! Counting text in the tokens of the embedding model: the unit in which a passage is bounded.

use std::path::Path;
use std::sync::Arc;

use tokenizers::Tokenizer;

/// The embedding model sees no more tokens than this, the two around every text (`[CLS]`, `[SEP]`) included.
pub(crate) const MODEL_TOKENS: usize = 256;

/// The longest stretch that counts as one token. WordPiece takes any word over 100 characters for a single unknown token,
/// so a megabyte without a blank would count as nothing.
const BYTES_PER_TOKEN: usize = 16;

/// Counts tokens. Cheap to clone.
#[derive(Clone)]
pub struct TokenCounter {
    tokenizer: Arc<Tokenizer>,
}

/// The tokenizer's file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("tokenizer {path}: {reason}")]
pub struct TokenizerError {
    path: String,
    reason: String,
}

impl TokenCounter {
    /// Reads `tokenizer.json` from the model's folder.
    pub fn load(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join("tokenizer.json");
        let failed = |reason: String| TokenizerError {
            path: path.display().to_string(),
            reason,
        };
        let mut tokenizer = Tokenizer::from_file(&path).map_err(|error| failed(error.to_string()))?;
        // The file cuts and pads every text to 128 tokens; both are done by us, with the model's own limit.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            tokenizer: Arc::new(tokenizer),
        })
    }

    /// Number of tokens of `text`, without those that the model puts around it. Never less than one in 16 bytes.
    pub fn count(&self, text: &str) -> usize {
        let by_bytes = text.len().div_ceil(BYTES_PER_TOKEN);
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => encoding.len().max(by_bytes),
            // Cannot happen with a vocabulary that has an unknown token; a character each is the safe side.
            Err(_) => text.chars().count().max(by_bytes),
        }
    }

    /// Token ids as the model wants them, cut to its limit.
    pub(crate) fn ids(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| TokenizerError {
                path: String::new(),
                reason: error.to_string(),
            })?;
        let mut ids = encoding.get_ids().to_vec();
        if ids.len() > MODEL_TOKENS {
            // The last token closes the text and has to stay.
            let last = ids[ids.len() - 1];
            ids.truncate(MODEL_TOKENS - 1);
            ids.push(last);
        }
        Ok(ids)
    }
}
