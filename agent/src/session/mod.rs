//! A session: the agent in one room. [`core`] decides, without I/O; [`actor`] does what it says; [`room`] is the
//! only door to `livekit`. Everything else here is a part of the core, each with one promise.

pub mod actor;
pub mod address;
pub mod answering;
pub mod asking;
mod calls;
pub mod clock;
pub mod core;
pub mod coverage;
pub mod declined;
mod diarisers;
pub mod ear;
pub mod finals;
pub mod hearing;
mod held;
pub mod ids;
pub mod io;
pub mod lease;
mod looks;
pub mod order;
pub mod outbox;
pub mod outgoing;
pub mod questions;
mod recognising;
pub mod reply;
pub mod room;
pub mod rows;
pub mod shown;
pub mod start;
pub mod track;
pub mod types;
mod unheard;
pub mod usage;
pub mod vocabulary;
pub mod voices;
mod words;
