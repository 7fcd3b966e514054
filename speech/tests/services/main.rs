//! The recognisers that ask a service, each against a strict server: real sockets, real protocol.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod booth;
mod deepgram;
mod openai;
mod played;
mod realtime;
mod refusals;
