//! The public API of the `libwebrtc` crate, version 0.3.55, in safe Rust.
//!
//! The official `livekit` crate is written against `libwebrtc`, whose own implementation binds a
//! C++ library. This crate offers the same types, names and signatures on top of the sans-IO
//! WebRTC stack `rtc`, and is put in its place through `[patch.crates-io]`. `README.md` says what
//! is supported and what is not.
//!
//! Three layers, top to bottom: the public types in this folder; `engine`, a state machine without
//! input or output that alone knows `rtc`; `driver`, one task per peer connection that owns the
//! sockets, the clock and the callbacks.

use thiserror::Error;

mod beat;
mod driver;
mod engine;
mod enum_dispatch;

mod audio;
pub mod audio_frame;
pub mod audio_source;
pub mod audio_stream;
pub mod audio_track;
pub mod data_channel;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ice_candidate;
pub mod media_stream;
pub mod media_stream_track;
pub mod native;
pub mod peer_connection;
pub mod peer_connection_factory;
pub mod prelude;
pub mod rtp_parameters;
pub mod rtp_receiver;
pub mod rtp_sender;
pub mod rtp_transceiver;
pub mod session_description;
pub mod stats;
pub mod video_frame;
pub mod video_source;
pub mod video_stream;
pub mod video_track;

/// The kind of a media section.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MediaType {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels.
    Data,
    /// Anything else.
    Unsupported,
}

/// What went wrong, coarsely.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcErrorType {
    /// A failure inside the stack.
    Internal,
    /// A session description or candidate that cannot be used.
    InvalidSdp,
    /// A call that the connection's state does not allow.
    InvalidState,
}

/// An error of the WebRTC stack.
#[derive(Error, Debug)]
#[error("an RtcError occurred: {error_type:?} - {message}")]
pub struct RtcError {
    /// The coarse class of the error.
    pub error_type: RtcErrorType,
    /// What happened, for people.
    pub message: String,
}

impl RtcError {
    pub(crate) fn internal(message: impl ToString) -> Self {
        Self {
            error_type: RtcErrorType::Internal,
            message: message.to_string(),
        }
    }

    pub(crate) fn invalid_sdp(message: impl ToString) -> Self {
        Self {
            error_type: RtcErrorType::InvalidSdp,
            message: message.to_string(),
        }
    }

    pub(crate) fn invalid_state(message: impl ToString) -> Self {
        Self {
            error_type: RtcErrorType::InvalidState,
            message: message.to_string(),
        }
    }
}
