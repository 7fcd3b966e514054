//! The sound of a track as a stream of frames.

/// Streams that deliver PCM to the program.
pub mod native {
    use std::{
        fmt::{Debug, Formatter},
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use tokio_stream::Stream;

    use crate::{
        audio::{format::PcmFormat, queue::FrameQueue},
        audio_frame::AudioFrame,
        audio_track::RtcAudioTrack,
    };

    /// Frames a stream holds for its reader unless told otherwise.
    const DEFAULT_QUEUE_SIZE_FRAMES: usize = 10;

    /// How a stream buffers.
    #[derive(Clone, Debug, Default)]
    pub struct NativeAudioStreamOptions {
        /// Frames of 10 ms held for a reader who is late; the oldest is dropped when one more comes.
        /// `None` stands for 10 frames. `Some(0)` asks for as many as it takes, which this crate
        /// grants up to one minute.
        pub queue_size_frames: Option<usize>,
    }

    /// The sound of one track, 10 ms a frame, in the shape asked for. A live track yields frames
    /// steadily, silent ones where there is nothing to hear; the stream ends when the track does.
    pub struct NativeAudioStream {
        track: RtcAudioTrack,
        queue: Arc<FrameQueue>,
    }

    impl Debug for NativeAudioStream {
        fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
            f.debug_struct("NativeAudioStream")
                .field("track", &self.track)
                .finish()
        }
    }

    impl NativeAudioStream {
        /// A stream with the default queue. A rate or channel count outside of what can be delivered
        /// (8 to 192 kHz, 1 to 8 channels) is moved to the nearest that can.
        pub fn new(audio_track: RtcAudioTrack, sample_rate: i32, num_channels: i32) -> Self {
            Self::with_options(
                audio_track,
                sample_rate,
                num_channels,
                NativeAudioStreamOptions::default(),
            )
        }

        /// A stream with a queue of the given size.
        pub fn with_options(
            audio_track: RtcAudioTrack,
            sample_rate: i32,
            num_channels: i32,
            options: NativeAudioStreamOptions,
        ) -> Self {
            let frames = options.queue_size_frames.unwrap_or(DEFAULT_QUEUE_SIZE_FRAMES);
            let queue = FrameQueue::new(PcmFormat::nearest(sample_rate, num_channels), frames);
            audio_track.add_listener(&queue);
            Self {
                track: audio_track,
                queue,
            }
        }

        /// The track that is heard.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// Stops listening; the stream ends without delivering what was still queued.
        pub fn close(&mut self) {
            self.queue.abandon();
        }
    }

    impl Drop for NativeAudioStream {
        fn drop(&mut self) {
            self.close();
        }
    }

    impl Stream for NativeAudioStream {
        type Item = AudioFrame<'static>;

        fn poll_next(self: Pin<&mut Self>, cx: &mut Context) -> Poll<Option<Self::Item>> {
            self.queue.poll_next(cx)
        }
    }
}
