//! Our Whisper as an OpenAI-compatible transcription endpoint, so that one machine with a strong processor recognises for
//! several agents, or for any client that speaks the protocol:
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>.
//!
//! It takes utterances: WAV files of up to 30 seconds, Whisper's own window. Everything else is refused by name.

mod form;
mod reply;
mod routes;

pub use routes::{Transcriber, router};

/// The longest audio, which is Whisper's window.
pub const AUDIO_MAX_SECONDS: usize = 30;
/// The largest request: 30 s of 48 kHz stereo with 16 bits are 5.8 MB.
pub const REQUEST_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Requests that are read or wait for their words at the same time.
pub const REQUESTS_MAX: usize = 64;
