//! The agent: a LiveKit agent worker that carries many meetings in one process. It hears every participant,
//! captions them live, stores each final before it shows it, and answers questions from documents.

pub mod changes;
pub mod config;
pub mod engines;
pub mod health;
pub mod host;
pub mod metrics;
pub mod session;
pub mod speakers;
pub mod transcriber;
pub mod worker;
