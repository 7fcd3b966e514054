//! Who speaks, where several people share one microphone: two networks hear an utterance (who of it speaks when; what
//! each voice sounds like), and what is heard over the meeting is gathered into voices with labels that stay.

mod cluster;
mod diariser;
mod embedding;
mod embedding_front;
mod fbank;
mod layers;
mod lstm;
mod model;
mod numbered;
mod overlaps;
mod segmentation;
mod sincnet;
mod stretches;
mod turns;
mod voices;
mod weights;

pub use diariser::Diariser;
pub use embedding::EMBEDDING_SIZE;
pub use model::SpeakerModel;
pub use numbered::{NumberSound, NumberedRun};
pub use turns::{Sound, Turn, Turns};
pub use voices::{LABEL_LAST, TurnId, VoiceEvent, VoiceLabel, Voices};
pub use weights::SpeakerModelError;
