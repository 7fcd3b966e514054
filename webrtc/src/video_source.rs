//! Video sources. They exist so that programs compile and rooms negotiate; frames are not taken.

use crate::enum_dispatch;

/// Width and height in pixels.
#[derive(Debug, Clone)]
pub struct VideoResolution {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Default for VideoResolution {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
        }
    }
}

/// What an encoder is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodedRateControl {
    /// Bits per second.
    pub target_bitrate_bps: u64,
    /// Frames per second.
    pub framerate_fps: f64,
}

/// Where a local video track takes its pictures from.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcVideoSource {
    /// Frames given by the program.
    Native(native::NativeVideoSource),
}

impl RtcVideoSource {
    enum_dispatch!(
        [Native];
        /// The resolution the source was made for.
        pub fn video_resolution(self: &Self) -> VideoResolution;
    );
}

/// Sources fed by the program.
pub mod native {
    use std::{fmt, sync::Arc};

    use super::{EncodedRateControl, VideoResolution};
    use crate::{
        native::packet_trailer::PacketTrailerHandler,
        video_frame::{EncodedVideoFrame, VideoBuffer, VideoFrame},
    };

    /// A source that knows its resolution and takes no frames.
    #[derive(Clone)]
    pub struct NativeVideoSource {
        resolution: Arc<VideoResolution>,
    }

    impl NativeVideoSource {
        /// A source for frames of this resolution.
        pub fn new(resolution: VideoResolution, _is_screencast: bool) -> Self {
            Self {
                resolution: Arc::new(resolution),
            }
        }

        /// A source for frames that are encoded already.
        pub fn new_encoded(resolution: VideoResolution) -> Self {
            Self::new(resolution, false)
        }

        /// Always `false`: video is not sent.
        pub fn capture_frame<T: AsRef<dyn VideoBuffer>>(&self, _frame: &VideoFrame<T>) -> bool {
            false
        }

        /// Always `false`: video is not sent.
        pub fn capture_encoded_frame(&self, _frame: &EncodedVideoFrame<'_>) -> bool {
            false
        }

        /// Always `false`: nobody asks for a key frame.
        pub fn take_keyframe_request(&self) -> bool {
            false
        }

        /// Always `None`: nobody controls the rate.
        pub fn take_rate_control_request(&self) -> Option<EncodedRateControl> {
            None
        }

        /// Takes a handler for frame metadata; without frames it is never asked.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {}

        /// The resolution the source was made for.
        pub fn video_resolution(&self) -> VideoResolution {
            self.resolution.as_ref().clone()
        }
    }

    impl Default for NativeVideoSource {
        fn default() -> Self {
            Self::new(VideoResolution::default(), false)
        }
    }

    impl fmt::Debug for NativeVideoSource {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("NativeVideoSource")
                .field("resolution", &self.resolution)
                .finish()
        }
    }
}
