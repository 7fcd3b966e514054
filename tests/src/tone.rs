//! A steady tone, played into a source of the official `livekit` crate.

use std::f64::consts::TAU;

use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;

/// What it is sampled at.
pub const RATE_HZ: u32 = 48_000;
/// Its height, of a sample's 32,767.
pub const AMPLITUDE: f64 = 12_000.0;
/// 10 ms, as sources take sound.
const FRAME_SAMPLES: u32 = RATE_HZ / 100;

/// Plays it until the source takes no more; `played` is called after each 10 ms.
pub async fn play(source: NativeAudioSource, hz: f64, mut played: impl FnMut()) {
    let mut at = 0_u32;
    loop {
        let sample = |n: u32| (AMPLITUDE * (TAU * hz * f64::from(n) / f64::from(RATE_HZ)).sin()) as i16;
        let data: Vec<i16> = (at..at + FRAME_SAMPLES).map(sample).collect();
        at += FRAME_SAMPLES;
        let frame = AudioFrame {
            data: data.into(),
            sample_rate: RATE_HZ,
            num_channels: 1,
            samples_per_channel: FRAME_SAMPLES,
        };
        if source.capture_frame(&frame).await.is_err() {
            return;
        }
        played();
    }
}
