//! Audio in, words with times out. Knows no room and no database.
//!
//! The way of a sample: [`Listener`] (one a track, sans-IO) cuts utterances out of 16 kHz mono audio; a [`Recogniser`]
//! ([`WhisperPool`] in this process, [`deepgram`] as a service) says the words of an utterance while it grows and once more when it is complete;
//! [`Agreement`] (one an utterance, sans-IO) says which words of the growing text are settled.

mod agreement;
pub mod deepgram;
mod listener;
mod recogniser;
mod speakers;
mod voice;
pub mod wav;
mod whisper;
mod word;

pub use agreement::{Agreement, CaptionUpdate};
pub use listener::{Audio, Listener, ListenerEvent, ListenerOptions};
pub use recogniser::{
    RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, StreamId,
};
pub use speakers::{
    Diariser, EMBEDDING_SIZE, Sound, SpeakerModel, SpeakerModelError, Turn, TurnId, Turns, VoiceEvent,
    VoiceLabel, Voices,
};
pub use voice::{
    CHUNK_SAMPLES as VOICE_CHUNK_SAMPLES, Detector, VoiceDetector, VoiceModel, VoiceModelError, VoiceNetwork,
};
pub use whisper::{LoadError, PoolLoad, WhisperOptions, WhisperPool};
pub use word::{Hypothesis, Word};

/// The one sample rate of this crate, in hertz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples in a millisecond.
pub(crate) const SAMPLES_PER_MS: usize = SAMPLE_RATE_HZ as usize / 1000;
