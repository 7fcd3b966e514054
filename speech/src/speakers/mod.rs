//! Who speaks, where several people share one microphone: two networks hear an utterance (who of it speaks when; what
//! each voice sounds like), and what is heard over the meeting is gathered into voices with labels that stay.

mod embedding;
mod embedding_front;
mod fbank;
mod layers;
mod lstm;
mod model;
mod segmentation;
mod sincnet;
mod weights;

pub use embedding::EMBEDDING_SIZE;
pub use model::SpeakerModel;
pub use weights::SpeakerModelError;
