//! Where the sound of a local track comes from.

/// The rate a source without one of its own reports, in hertz.
pub const DEFAULT_SAMPLE_RATE: u32 = 48_000;

/// The channel count a source without one of its own reports.
pub const DEFAULT_NUM_CHANNELS: u32 = 1;

/// Processing asked for on a source. It is kept and reported, and nothing acts on it: sound that a
/// program makes has no echo, and no device is captured here.
#[derive(Default, Debug)]
pub struct AudioSourceOptions {
    /// Remove what the loudspeaker plays from what the microphone hears.
    pub echo_cancellation: bool,
    /// Suppress steady background noise.
    pub noise_suppression: bool,
    /// Level the volume.
    pub auto_gain_control: bool,
}

/// The source of a local audio track.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcAudioSource {
    /// Frames pushed by the program.
    Native(native::NativeAudioSource),
    /// A capture device. There is no device layer in this crate: such a track sends silence.
    Device,
}

impl RtcAudioSource {
    /// Replaces the processing options; without effect on a device.
    pub fn set_audio_options(&self, options: AudioSourceOptions) {
        match self {
            Self::Native(source) => source.set_audio_options(options),
            Self::Device => {}
        }
    }

    /// The processing options; the default for a device.
    pub fn audio_options(&self) -> AudioSourceOptions {
        match self {
            Self::Native(source) => source.audio_options(),
            Self::Device => AudioSourceOptions::default(),
        }
    }

    /// Samples of one channel a second; [`DEFAULT_SAMPLE_RATE`] for a device.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Self::Native(source) => source.sample_rate(),
            Self::Device => DEFAULT_SAMPLE_RATE,
        }
    }

    /// Number of channels; [`DEFAULT_NUM_CHANNELS`] for a device.
    pub fn num_channels(&self) -> u32 {
        match self {
            Self::Native(source) => source.num_channels(),
            Self::Device => DEFAULT_NUM_CHANNELS,
        }
    }
}

/// Sources fed by the program.
pub mod native {
    use std::{
        fmt::{Debug, Formatter},
        sync::Arc,
    };

    use super::AudioSourceOptions;
    use crate::{RtcError, audio::source::SourceQueue, audio_frame::AudioFrame};

    /// A queue of PCM that the local tracks made from it play in real time. Clones share it.
    #[derive(Clone)]
    pub struct NativeAudioSource {
        pub(crate) queue: Arc<SourceQueue>,
    }

    impl Debug for NativeAudioSource {
        fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
            f.debug_struct("NativeAudioSource")
                .field("sample_rate", &self.sample_rate())
                .field("num_channels", &self.num_channels())
                .finish()
        }
    }

    impl NativeAudioSource {
        /// A source whose queue holds `queue_size_ms` of sound. Zero means no queue: each captured
        /// frame must last 10 ms and is handed on at once.
        ///
        /// # Panics
        /// When `queue_size_ms` is no multiple of 10, or the rate or the channel count is zero.
        pub fn new(
            options: AudioSourceOptions,
            sample_rate: u32,
            num_channels: u32,
            queue_size_ms: u32,
        ) -> Self {
            Self {
                queue: SourceQueue::new(options, sample_rate, num_channels, queue_size_ms),
            }
        }

        /// Forgets what is queued. Capturing calls that wait for room return at once.
        pub fn clear_buffer(&self) {
            self.queue.clear();
        }

        /// Queues a frame and returns once no more than the queue's size still waits to be played.
        /// The queue is played in real time whether or not a track is being sent, so this call
        /// always returns.
        pub async fn capture_frame(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
            self.queue.capture(frame).await
        }

        /// Replaces the processing options.
        pub fn set_audio_options(&self, options: AudioSourceOptions) {
            self.queue.set_options(options);
        }

        /// The processing options.
        pub fn audio_options(&self) -> AudioSourceOptions {
            self.queue.options()
        }

        /// Samples of one channel a second.
        pub fn sample_rate(&self) -> u32 {
            self.queue.sample_rate_hz()
        }

        /// Number of interleaved channels.
        pub fn num_channels(&self) -> u32 {
            self.queue.channels()
        }
    }
}
