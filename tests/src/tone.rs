//! A steady tone, played into a source of the official `livekit` crate, and found again by who hears it.

use std::f64::consts::TAU;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::room_events::first_sound;

/// What it is sampled at.
pub const RATE_HZ: u32 = 48_000;
/// Its height, of a sample's 32,767.
pub const AMPLITUDE: f64 = 12_000.0;
/// 10 ms, as sources take sound.
const FRAME_SAMPLES: u32 = RATE_HZ / 100;

/// Plays it until the source takes no more; `played` is called after each 10 ms.
pub async fn play(source: NativeAudioSource, hz: f64, mut played: impl FnMut()) {
    let again = || {
        played();
        hz
    };
    play_tuned(source, hz, again).await;
}

/// As [`play`]; `next_hz` is called after each 10 ms and says what the next ones are.
pub async fn play_tuned(source: NativeAudioSource, first_hz: f64, mut next_hz: impl FnMut() -> f64) {
    let mut hz = first_hz;
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
        hz = next_hz();
    }
}

/// Publishes one, which goes on until the task is aborted.
///
/// # Errors
/// The server does not take it.
pub async fn publish(room: &Room, hz: f64) -> Result<JoinHandle<()>> {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
    let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
    let options = TrackPublishOptions {
        // Nobody becomes an active speaker by another source.
        source: TrackSource::Microphone,
        ..TrackPublishOptions::default()
    };
    room.local_participant()
        .publish_track(LocalTrack::Audio(track), options)
        .await?;
    Ok(tokio::spawn(play(source, hz, || ())))
}

/// The pitch of the first track's second second of sound, by the median of its periods.
///
/// # Errors
/// Nobody's sound comes within `limit`, it ends, or it is no tone.
pub async fn pitch_hz(events: &mut UnboundedReceiver<RoomEvent>, limit: Duration) -> Result<f64> {
    let track = first_sound(events, limit).await?;
    let mut stream = NativeAudioStream::new(track.rtc_track(), RATE_HZ as i32, 1);
    let mut pcm: Vec<i16> = Vec::new();
    while pcm.len() < 2 * RATE_HZ as usize {
        let frame = stream.next().await.context("the track has ended")?;
        if !pcm.is_empty() || frame.data.iter().any(|sample| sample.unsigned_abs() > 2_000) {
            pcm.extend_from_slice(&frame.data);
        }
    }
    let rising: Vec<usize> = (RATE_HZ as usize..pcm.len())
        .filter(|n| pcm[n - 1] < 0 && pcm[*n] >= 0)
        .collect();
    let mut periods: Vec<usize> = rising.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_unstable();
    let median = periods.get(periods.len() / 2).context("silence")?;
    Ok(f64::from(RATE_HZ) / *median as f64)
}
