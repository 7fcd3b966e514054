//! Local Whisper: a pool of worker threads over one copy of the weights.

mod alignment;
mod decode;
mod guard;
mod pool;
mod queue;

pub use pool::{LoadError, PoolLoad, WhisperOptions, WhisperPool};
