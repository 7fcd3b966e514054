//! Local Whisper: a pool of worker threads over one copy of the weights.

mod alignment;
mod before;
mod decode;
mod guard;
mod look;
mod model;
mod pool;
mod queue;
mod rest;
mod rules;
mod tokens;
mod vocabulary;
mod window;
mod words;

pub use model::{LoadError, WhisperModel, WhisperWorker};
pub use pool::{PoolLoad, WhisperOptions, WhisperPool};
pub use queue::Queue;
