//! A track of either kind.

use crate::{audio_track::RtcAudioTrack, enum_dispatch, video_track::RtcVideoTrack};

/// Whether a track may still carry media.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcTrackState {
    /// Media may flow.
    Live,
    /// Nothing will come any more.
    Ended,
}

/// An audio or a video track, local or remote.
#[derive(Debug, Clone)]
pub enum MediaStreamTrack {
    /// Pictures.
    Video(RtcVideoTrack),
    /// Sound.
    Audio(RtcAudioTrack),
}

impl MediaStreamTrack {
    enum_dispatch!(
        [Video, Audio];
        /// The track's identifier.
        pub fn id(self: &Self) -> String;
        /// Whether the track's media is used; a disabled track is silent or black.
        pub fn enabled(self: &Self) -> bool;
        /// Turns the track on or off and says whether that changed anything.
        pub fn set_enabled(self: &Self, enabled: bool) -> bool;
        /// Whether the track may still carry media.
        pub fn state(self: &Self) -> RtcTrackState;
    );
}

impl From<RtcAudioTrack> for MediaStreamTrack {
    fn from(track: RtcAudioTrack) -> Self {
        Self::Audio(track)
    }
}

impl From<RtcVideoTrack> for MediaStreamTrack {
    fn from(track: RtcVideoTrack) -> Self {
        Self::Video(track)
    }
}
