//! The agent: a LiveKit agent worker that carries many meetings in one process. It hears every participant,
//! captions them live, stores each final before it shows it, and answers questions from documents.

pub mod config;
pub mod consents;
pub mod health;
pub mod host;
pub mod metrics;
pub mod session;
pub mod worker;
