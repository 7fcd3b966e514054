//! What is asked of the networks, and what they say.

use speech::{NumberedRun, VoiceEvent, VoiceLabel};
use uuid::Uuid;

/// An utterance that is to be heard for voices.
#[derive(Clone, Debug, PartialEq)]
pub struct HearVoices<A> {
    /// Whose microphone.
    pub identity: String,
    /// The utterance's number within this participant's speech.
    pub utterance: u64,
    /// All of it.
    pub audio: A,
    /// Who says which words of it by number, where the recogniser knows.
    pub runs: Vec<NumberedRun>,
}

/// What an utterance's voices are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoicesHeard {
    /// Who speaks when, from the utterance's beginning.
    pub turns: Vec<speech::Turn>,
    /// Whose these and earlier turns are.
    pub events: Vec<VoiceEvent>,
    /// All voices of the participant, as they sound now.
    pub sounds: Vec<VoiceSound>,
    /// Voices that turned out to be known.
    pub recognised: Vec<(VoiceLabel, KnownAs)>,
    /// How long that took.
    pub compute_ms: u64,
}

/// What a voice sounds like.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceSound {
    /// Its label.
    pub label: VoiceLabel,
    /// A direction.
    pub sound: Vec<f32>,
    /// How much of it was heard.
    pub heard_ms: u64,
}

/// As whom a voice is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownAs {
    /// One of the organisation's people.
    Person(Uuid),
    /// Somebody at another microphone of this room, who was given a name there.
    Named(String),
}

/// Why speech is not heard for voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotHeard {
    /// No second voice is known yet, and a part says enough.
    Sampled,
    /// There is more urgent work.
    Load,
    /// Too much waited already.
    QueueFull,
    /// Too many participants.
    TooMany,
    /// The networks broke off on this participant.
    Failed,
    /// The session is ending.
    Ending,
}

impl NotHeard {
    /// As it is in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Load => "load",
            Self::QueueFull => "queue_full",
            Self::TooMany => "too_many_participants",
            Self::Failed => "failed",
            Self::Ending => "ending",
        }
    }
}
