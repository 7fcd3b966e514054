//! A stretch of linear PCM: what goes into an audio source and what comes out of an audio stream.

use std::borrow::Cow;

/// Interleaved signed 16-bit PCM with its shape.
#[derive(Debug, Clone)]
pub struct AudioFrame<'a> {
    /// The samples, channels interleaved.
    pub data: Cow<'a, [i16]>,
    /// Samples of one channel a second.
    pub sample_rate: u32,
    /// Number of interleaved channels.
    pub num_channels: u32,
    /// Samples of one channel in this frame.
    pub samples_per_channel: u32,
}

impl AudioFrame<'_> {
    /// A silent frame that owns its samples.
    pub fn new(sample_rate: u32, num_channels: u32, samples_per_channel: u32) -> Self {
        let samples = num_channels as usize * samples_per_channel as usize;
        Self {
            data: Cow::Owned(vec![0; samples]),
            sample_rate,
            num_channels,
            samples_per_channel,
        }
    }
}
