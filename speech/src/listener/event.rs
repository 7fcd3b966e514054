//! What a listener says.

use crate::Audio;

/// What the listener reports. Times are milliseconds of the track's own audio.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenerEvent {
    /// Somebody began to speak.
    SpeechStarted {
        /// The utterance's number, counted from 0.
        utterance: u64,
        /// Where it begins, pre-roll included.
        at_ms: u64,
    },
    /// The open utterance is worth a partial.
    Hypothesise {
        /// Its number.
        utterance: u64,
        /// All of it so far.
        audio: Audio,
        /// Where it begins.
        start_ms: u64,
        /// The speaker pauses: these may have been the last words.
        at_pause: bool,
    },
    /// The speaker has gone on after the pause at which the newest hypothesis was asked for, before it could end the utterance.
    /// Nothing is said of a pause whose words are known ([`Listener::pause_heard`](super::Listener::pause_heard)).
    PauseOver {
        /// The utterance's number.
        utterance: u64,
    },
    /// An utterance is over.
    Finalise {
        /// Its number.
        utterance: u64,
        /// All of it.
        audio: Audio,
        /// Where it begins.
        start_ms: u64,
        /// Where its speech ends.
        end_ms: u64,
    },
    /// Nobody speaks any more.
    SpeechEnded {
        /// The last utterance's number.
        utterance: u64,
        /// Where its speech ended.
        at_ms: u64,
    },
}
