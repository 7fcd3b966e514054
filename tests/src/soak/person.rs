//! One participant, who hears everybody and may talk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use agent::session::room::signal::{self, Stay};
use anyhow::{Context as _, Result, anyhow};
use futures_util::StreamExt as _;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use tokio::sync::mpsc;

use super::{Counters, count, silence};
use crate::speech_file::SAMPLE_RATE_HZ;

const FRAME_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 100;
/// How far talking may run ahead of the wire.
const QUEUE_MS: u32 = 100;
/// A sample louder than this is no silence.
const LOUD: u16 = 500;

pub(super) struct Person {
    room: Arc<Room>,
    token: String,
    stay: Stay,
    source: NativeAudioSource,
}

impl Person {
    /// Joins, publishes a microphone and hears whoever is there or comes.
    pub(super) async fn enter(url: &str, token: &str, counters: Arc<Counters>) -> Result<Self> {
        let (room, events) = Room::connect(url, token, RoomOptions::default())
            .await
            .context("joining")?;
        let room = Arc::new(room);
        signal::joined(&room);
        let stay = Stay::of(room.clone());
        tokio::spawn(hear(events, counters));
        let source = NativeAudioSource::new(AudioSourceOptions::default(), SAMPLE_RATE_HZ, 1, QUEUE_MS);
        let track = LocalAudioTrack::create_audio_track("microphone", RtcAudioSource::Native(source.clone()));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            ..Default::default()
        };
        room.local_participant()
            .publish_track(LocalTrack::Audio(track), options)
            .await
            .context("publishing the microphone")?;
        Ok(Self {
            room,
            token: token.to_owned(),
            stay,
            source,
        })
    }

    /// Says a part of `voice`, which begins anew at its end.
    pub(super) async fn talk(&self, voice: &[i16], from_ms: u64, ms: u64) -> Result<()> {
        let frame_at = |frame: u64| {
            let samples = voice.len() / FRAME_SAMPLES;
            let at = (frame % samples.max(1) as u64) as usize * FRAME_SAMPLES;
            voice
                .get(at..at + FRAME_SAMPLES)
                .context("a voice of some length")
        };
        for frame in from_ms / 10..(from_ms + ms) / 10 {
            let frame = AudioFrame {
                data: frame_at(frame)?.into(),
                sample_rate: SAMPLE_RATE_HZ,
                num_channels: 1,
                samples_per_channel: FRAME_SAMPLES as u32,
            };
            let taken = self.source.capture_frame(&frame).await;
            taken.map_err(|error| anyhow!("talking: {error}"))?;
        }
        Ok(())
    }

    /// Is lost, without a word to the server.
    pub(super) fn vanish(self) {
        silence::fall(&self.token);
    }

    /// Leaves in order.
    pub(super) async fn leave(self) -> Result<()> {
        signal::leave(&self.room).await.context("leaving")?;
        self.stay.over();
        Ok(())
    }
}

/// Listens to every track until the room is gone.
async fn hear(mut events: mpsc::UnboundedReceiver<RoomEvent>, counters: Arc<Counters>) {
    while let Some(event) = events.recv().await {
        if let RoomEvent::TrackSubscribed {
            track: RemoteTrack::Audio(track),
            ..
        } = event
        {
            count(&counters.tracks);
            tokio::spawn(listen(track, counters.clone()));
        }
    }
}

/// Until the track is gone.
async fn listen(track: RemoteAudioTrack, counters: Arc<Counters>) {
    let mut stream = NativeAudioStream::new(track.rtc_track(), SAMPLE_RATE_HZ as i32, 1);
    drop(track);
    while let Some(frame) = stream.next().await {
        let is_loud = frame.data.iter().any(|sample| sample.unsigned_abs() > LOUD);
        counters
            .loud_frames
            .fetch_add(u64::from(is_loud), Ordering::Relaxed);
    }
}
