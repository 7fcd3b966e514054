//! From documents to passages, from passages to answers whose every sentence can be looked up.
//!
//! The way in: [`Format::sniff`] -> [`extract()`] -> [`chunk()`] -> [`Embedder::embed`]. The way out: [`Answerer::answer`] takes
//! a question and the passages that were found for it, and gives an [`Answer`] that is either grounded in cited passages
//! or says that the documents do not say. This crate knows no database and no room; where it waits or allocates there is
//! a named limit.

mod answer;
mod chat;
mod chunk;
mod embed;
mod extract;
mod format;
mod sentences;
mod terms;
mod tokens;
mod words;

pub use answer::{
    Answer, AnswerRequest, Answerer, Citation, EXTRACTIVE_ENGINE, Fallback, NOT_IN_DOCUMENTS, Passage,
    TranscriptLine,
    check::{Checked, Dropped, check},
    extractive::Thresholds,
};
pub use chat::{ChatEndpoint, ChatError, ChatLimits};
pub use chunk::{Chunk, ChunkError, MAX_CHUNK_TOKENS, MAX_CHUNKS, chunk};
pub use embed::{EMBEDDING_DIMENSIONS, EmbedError, Embedder, Embedding, cosine};
pub use extract::{
    ExtractError, ExtractLimits, Extracted, PageStart, extract, extract_within, isolate_extraction,
};
pub use format::{Format, FormatError, MAX_FILE_BYTES};
pub use sentences::sentences;
pub use terms::terms;
pub use tokens::{TokenCounter, TokenizerError};
