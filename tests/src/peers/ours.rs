//! The official `livekit` crate on our backend: plays a tone, keeps what it hears, reads and is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::StreamExt as _;
use livekit::SimulateScenario;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::native::frame_cryptor::EncryptionState;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::sound::Ear;
use super::{How, POLL, Sound, Text};
use crate::tone::{RATE_HZ, play};

/// What has come so far.
#[derive(Default)]
struct Heard {
    ear: Ear,
    /// Of 10 ms, of all streams.
    frames: usize,
    /// Of 10 ms, of our tone.
    played: usize,
    texts: Vec<Text>,
    states: Vec<(String, EncryptionState)>,
    reconnections: usize,
}

/// A participant on our backend.
pub struct Ours {
    /// The room it is in.
    pub room: Room,
    heard: Arc<Mutex<Heard>>,
}

impl Ours {
    /// Enters a room and listens to everybody there.
    ///
    /// # Errors
    /// The server does not let it in.
    pub async fn connect(url: &str, token: &str, options: RoomOptions) -> Result<Self> {
        let (room, events) = Room::connect(url, token, options).await?;
        let heard = Arc::<Mutex<Heard>>::default();
        tokio::spawn(follow(events, heard.clone()));
        Ok(Self { room, heard })
    }

    /// Plays a tone into the room.
    ///
    /// # Errors
    /// The server does not take it.
    pub async fn publish(&self, hz: f64) -> Result<()> {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
        let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
        let heard = self.heard.clone();
        tokio::spawn(play(source, hz, move || locked(&heard).played += 1));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            ..TrackPublishOptions::default()
        };
        let participant = self.room.local_participant();
        participant
            .publish_track(LocalTrack::Audio(track), options)
            .await?;
        Ok(())
    }

    /// Another tone instead, on another track.
    ///
    /// # Errors
    /// The server does not take it.
    pub async fn publish_again(&self, hz: f64) -> Result<()> {
        let participant = self.room.local_participant();
        for sid in participant.track_publications().into_keys() {
            participant.unpublish_track(&sid).await?;
        }
        self.publish(hz).await
    }

    /// Sends a text to the others.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn say(&self, how: How, text: &str) -> Result<()> {
        let packet = DataPacket {
            payload: text.into(),
            reliable: how == How::Reliable,
            ..DataPacket::default()
        };
        Ok(self.room.local_participant().publish_data(packet).await?)
    }

    /// What it hears.
    pub fn sound(&self) -> Sound {
        locked(&self.heard).ear.sound()
    }

    /// What it has read.
    pub fn texts(&self) -> Vec<Text> {
        locked(&self.heard).texts.clone()
    }

    /// So many frames of 10 ms have come, whatever is in them.
    pub fn frames(&self) -> usize {
        locked(&self.heard).frames
    }

    /// What it was told about the encryption of somebody's frames, or of its own.
    pub fn states(&self, of: &str) -> Vec<EncryptionState> {
        let heard = locked(&self.heard);
        let told = heard.states.iter().filter(|(who, _)| who == of);
        told.map(|(_, state)| *state).collect()
    }

    /// Waits until it hears a tone, whatever its level.
    ///
    /// # Errors
    /// As all that wait: `limit` passes first; the error shows what it hears and has read.
    pub async fn wait_for_tone(&self, hz: f64, limit: Duration) -> Result<()> {
        let heard = |heard: &Heard| heard.ear.sound().is_tone(hz);
        self.wait_for(&format!("{hz} Hz"), limit, heard).await
    }

    /// Waits until it has read a text, however it came.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_text(&self, text: &str, limit: Duration) -> Result<()> {
        let read = |heard: &Heard| heard.texts.iter().any(|one| one.text == text);
        self.wait_for(text, limit, read).await
    }

    /// Waits until it was told this about the encryption of somebody's frames, or of its own.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_state(&self, of: &str, state: EncryptionState, limit: Duration) -> Result<()> {
        let told = |heard: &Heard| heard.states.iter().any(|(who, what)| who == of && *what == state);
        self.wait_for(&format!("{state:?} of {of}"), limit, told).await
    }

    /// Waits until so many frames of 10 ms have come in all, whatever is in them.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_frames(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_for("frames", limit, |heard| heard.frames >= count)
            .await
    }

    /// Waits until it has played so many frames of 10 ms.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_sent(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_for("our frames", limit, |heard| heard.played >= count)
            .await
    }

    async fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Heard) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            {
                let heard = locked(&self.heard);
                if wanted(&heard) {
                    return Ok(());
                }
                ensure!(
                    begun.elapsed() < limit,
                    "waiting for {what}: not within {limit:?}; we hear {:?}, have read {:?}, were told {:?}",
                    heard.ear.sound(),
                    heard.texts,
                    heard.states
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Breaks its connection as the scenario says, and waits until it is mended.
    ///
    /// # Errors
    /// The server refuses, or see [`Ours::wait_for_tone`].
    pub async fn reconnect(&self, scenario: SimulateScenario, limit: Duration) -> Result<()> {
        let before = locked(&self.heard).reconnections;
        self.room.simulate_scenario(scenario).await?;
        self.wait_for("the reconnection", limit, |heard| heard.reconnections > before)
            .await
    }

    /// Leaves the room.
    ///
    /// # Errors
    /// It was gone before.
    pub async fn leave(self) -> Result<()> {
        Ok(self.room.close().await?)
    }
}

fn locked(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn follow(mut events: UnboundedReceiver<RoomEvent>, heard: Arc<Mutex<Heard>>) {
    while let Some(event) = events.recv().await {
        match event {
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                ..
            } => {
                let stream = NativeAudioStream::new(track.rtc_track(), RATE_HZ as i32, 1);
                locked(&heard).ear.begin_anew();
                tokio::spawn(listen(stream, heard.clone()));
            }
            RoomEvent::DataReceived { payload, kind, .. } => {
                let how = match kind {
                    DataPacketKind::Reliable => How::Reliable,
                    DataPacketKind::Lossy => How::Lossy,
                };
                let text = String::from_utf8_lossy(&payload).into_owned();
                locked(&heard).texts.push(Text { how, text });
            }
            RoomEvent::Reconnected => locked(&heard).reconnections += 1,
            RoomEvent::E2eeStateChanged { participant, state } => {
                let of = participant.identity().to_string();
                locked(&heard).states.push((of, state));
            }
            _ => {}
        }
    }
}

async fn listen(mut stream: NativeAudioStream, heard: Arc<Mutex<Heard>>) {
    while let Some(frame) = stream.next().await {
        let mut heard = locked(&heard);
        heard.frames += 1;
        heard.ear.hear(&frame.data);
    }
}
