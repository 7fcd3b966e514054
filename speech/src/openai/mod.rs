//! Transcription behind any OpenAI-compatible endpoint as a [`Recogniser`](crate::Recogniser): one request an utterance.
//!
//! Words have times where the endpoint gives them (`verbose_json`); where it gives text alone, they are spread over the
//! voiced time. Every request is billed by its whole audio, so growing utterances are asked for only where the operator
//! says that partials cost nothing, which holds for a server of one's own; otherwise partials are refused, and a
//! [`Chain`](crate::Chain) gets them from its next recogniser.
//!
//! `client` asks, `sender` moves bytes and names what went wrong, `reading` and `spread` make words (both pure).
//! Protocol: <https://platform.openai.com/docs/api-reference/audio/createTranscription>.

mod client;
mod options;
pub(crate) mod reading;
mod sender;
mod spread;

pub use client::OpenAi;
pub use options::{OpenAiError, OpenAiLimits, OpenAiOptions};
