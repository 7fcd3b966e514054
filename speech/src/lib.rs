//! Audio in, words with times out. Knows no room and no database.
//!
//! The way of a sample: [`Listener`] (one a track, sans-IO) cuts utterances out of 16 kHz mono audio; a [`Recogniser`]
//! ([`WhisperPool`] in this process, [`deepgram`], [`openai`] and [`realtime`] as services, several of them as a [`Chain`]) says the
//! words of an utterance while it grows and once more when it is complete;
//! [`Agreement`] (one an utterance, sans-IO) says which words of the growing text are settled.

mod agreement;
mod audio;
mod chain;
pub mod deepgram;
mod listener;
pub mod openai;
pub mod realtime;
mod recogniser;
mod service;
mod speakers;
mod voice;
pub mod wav;
mod whisper;
mod word;

pub use agreement::{Agreement, CaptionUpdate};
pub use audio::Audio;
pub use chain::{Chain, ChainError, ChainLimits, ChainNotice, LINKS_MAX as CHAIN_LINKS_MAX};
pub use listener::{Listener, ListenerEvent, ListenerOptions};
pub use recogniser::{
    RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, Sent, StreamId,
};
pub use service::ApiKey;
pub use speakers::{
    Diariser, EMBEDDING_SIZE, LABEL_LAST as VOICE_LABEL_LAST, NumberSound, NumberedRun, Sound, SpeakerModel,
    SpeakerModelError, Turn, TurnId, Turns, VoiceEvent, VoiceLabel, Voices,
};
pub use voice::{
    CHUNK_SAMPLES as VOICE_CHUNK_SAMPLES, Detector, VoiceDetector, VoiceModel, VoiceModelError, VoiceNetwork,
};
pub use whisper::{LoadError, PoolLoad, Queue, WhisperModel, WhisperOptions, WhisperPool, WhisperWorker};
pub use word::{Hypothesis, SpeakerNumber, Word, is_sentence};

/// The one sample rate of this crate, in hertz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples in a millisecond.
pub(crate) const SAMPLES_PER_MS: usize = SAMPLE_RATE_HZ as usize / 1000;
