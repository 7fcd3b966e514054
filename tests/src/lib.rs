//! What the whole-system tests, the demo and the figures share: simulated participants on the official
//! `livekit` crate, and a client of the dispatcher's HTTP API. The servers themselves are started by `runner`.

pub mod api;
pub mod browser;
pub mod certificates;
pub mod ears;
pub mod meeting;
pub mod participant;
pub mod peers;
pub mod proxy;
pub mod room_events;
pub mod soak;
pub mod sound;
pub mod speech_file;
pub mod token;
pub mod tone;
