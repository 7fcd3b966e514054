//! OpenAI's realtime transcription as a [`Recogniser`](crate::Recogniser).
//!
//! One connection a track, opened by its first request. A growing utterance is sent while it grows, and the words that come
//! back meanwhile answer its partials; its end is committed by us (the service's own turn detection is off), and the
//! transcript of the commit is the final. What a lost or expired session had not transcribed is sent again on the next one.
//! The service gives no times: words are spread over the voiced time.
//!
//! `line` decides (sans-IO, one a track), `wire` is the protocol, `rate` makes the service's 24 kHz, `actor` moves
//! messages. Protocol: <https://developers.openai.com/api/docs/guides/realtime-transcription>.

mod actor;
mod client;
mod line;
mod options;
mod rate;
mod wire;

pub use client::Realtime;
pub use options::{RealtimeError, RealtimeLimits, RealtimeOptions};
