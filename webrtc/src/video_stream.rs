//! Streams of received video. They end at once: video is not decoded.

/// Streams for native programs.
pub mod native {
    use std::{
        fmt,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio_stream::Stream;

    use crate::{
        native::packet_trailer::PacketTrailerHandler, video_frame::BoxVideoFrame, video_track::RtcVideoTrack,
    };

    /// How a stream queues frames.
    #[derive(Clone, Debug, Default)]
    pub struct NativeVideoStreamOptions {
        /// How many frames wait for the reader.
        pub queue_size_frames: Option<usize>,
    }

    /// The frames of a video track: none.
    pub struct NativeVideoStream {
        track: RtcVideoTrack,
    }

    impl NativeVideoStream {
        /// A stream of the track's frames. It ends at once, which is logged as an error.
        pub fn new(video_track: RtcVideoTrack) -> Self {
            tracing::error!(
                track = video_track.id(),
                "video is not decoded by this WebRTC backend: the stream ends at once"
            );
            Self { track: video_track }
        }

        /// A stream of the track's frames; the options change nothing.
        pub fn with_options(video_track: RtcVideoTrack, _options: NativeVideoStreamOptions) -> Self {
            Self::new(video_track)
        }

        /// Takes a handler for frame metadata; without frames it is never asked.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {}

        /// The track.
        pub fn track(&self) -> RtcVideoTrack {
            self.track.clone()
        }

        /// Ends the stream, which has ended already.
        pub fn close(&mut self) {}
    }

    impl Stream for NativeVideoStream {
        type Item = BoxVideoFrame;

        fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(None)
        }
    }

    impl fmt::Debug for NativeVideoStream {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("NativeVideoStream")
                .field("track", &self.track)
                .finish()
        }
    }
}
