//! Deepgram's live recognition as a [`Recogniser`](crate::Recogniser).
//!
//! One connection a track, opened by its first request. Of a growing utterance only the new audio goes out; its words
//! come back as they are settled, with times of the connection, which are mapped to the utterance's own. What a lost
//! connection had not settled is sent again on the next one.
//!
//! `stream` decides (sans-IO, one a track), `actor` moves bytes; that the service refused is remembered for all tracks. Protocol: <https://developers.deepgram.com/reference/speech-to-text/listen-streaming>.

mod actor;
mod client;
mod heard;
mod options;
mod stream;
mod tape;
mod utterance;

pub use client::Deepgram;
pub use options::{DeepgramError, DeepgramLimits, DeepgramOptions};
