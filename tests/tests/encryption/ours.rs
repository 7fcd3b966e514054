//! The official `livekit` crate on our backend: plays a tone, keeps what it hears, reads and is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures_util::StreamExt as _;
use livekit::SimulateScenario;
use livekit::e2ee::key_provider::{KeyProvider, KeyProviderOptions};
use livekit::e2ee::{E2eeOptions, EncryptionType};
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::native::frame_cryptor::EncryptionState;
use livekit::webrtc::stats::RtcStats;
use system_tests::tone::{AMPLITUDE, RATE_HZ, play};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::ground::{Sound, TONE_TOLERANCE_HZ};

/// The pitch is that of the last 400 ms.
const PITCH_SAMPLES: usize = RATE_HZ as usize * 2 / 5;
const POLL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Heard {
    last: VecDeque<i16>,
    loudest: u16,
    frames: usize,
    played: usize,
    texts: Vec<String>,
    states: Vec<(String, EncryptionState)>,
    reconnections: usize,
}

pub(crate) struct Ours {
    room: Room,
    keys: KeyProvider,
    heard: Arc<Mutex<Heard>>,
}

impl Ours {
    /// With everybody's secret, or without: then everybody has an own key, which nobody has told us.
    pub(crate) async fn connect(
        url: &str,
        token: &str,
        secret: Option<&str>,
        options: KeyProviderOptions,
    ) -> Result<Self> {
        let keys = match secret {
            Some(secret) => KeyProvider::with_shared_key(options, secret.into()),
            None => KeyProvider::new(options),
        };
        let mut room_options = RoomOptions::default();
        room_options.encryption = Some(E2eeOptions {
            encryption_type: EncryptionType::Gcm,
            key_provider: keys.clone(),
        });
        Self::join(url, token, room_options, keys).await
    }

    /// Without encryption.
    pub(crate) async fn connect_openly(url: &str, token: &str) -> Result<Self> {
        let keys = KeyProvider::new(KeyProviderOptions::default());
        Self::join(url, token, RoomOptions::default(), keys).await
    }

    async fn join(url: &str, token: &str, options: RoomOptions, keys: KeyProvider) -> Result<Self> {
        let (room, events) = Room::connect(url, token, options).await?;
        let heard = Arc::<Mutex<Heard>>::default();
        tokio::spawn(follow(events, heard.clone()));
        Ok(Self { room, keys, heard })
    }

    /// As what sound comes to us: the codec's name.
    pub(crate) async fn codec_heard(&self) -> Result<String> {
        let theirs = self.room.remote_participants().into_values();
        let tracks = theirs.flat_map(|one| one.track_publications().into_values());
        for track in tracks.filter_map(|publication| publication.track()) {
            let stats = track.get_stats().await?;
            let used = stats.iter().find_map(|stats| match stats {
                RtcStats::InboundRtp(inbound) => Some(inbound.stream.codec_id.clone()),
                _ => None,
            });
            let name = stats.iter().find_map(|stats| match stats {
                RtcStats::Codec(codec) if Some(&codec.rtc.id) == used.as_ref() => {
                    Some(codec.codec.mime_type.clone())
                }
                _ => None,
            });
            if let Some(name) = name {
                return Ok(name);
            }
        }
        bail!("nothing is heard that has a codec")
    }

    pub(crate) async fn publish(&self, hz: f64) -> Result<()> {
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

    /// Another tone instead.
    pub(crate) async fn publish_again(&self, hz: f64) -> Result<()> {
        let participant = self.room.local_participant();
        for sid in participant.track_publications().into_keys() {
            participant.unpublish_track(&sid).await?;
        }
        self.publish(hz).await
    }

    pub(crate) fn share(&self, secret: &str) {
        self.keys.set_shared_key(secret.into(), 0);
    }

    pub(crate) fn keep(&self, of: &str, secret: &str) {
        self.keys.set_key(&of.to_owned().into(), 0, secret.into());
    }

    pub(crate) fn ratchet(&self) -> Result<()> {
        ensure!(
            self.keys.ratchet_shared_key(0).is_some(),
            "there is no key to ratchet"
        );
        Ok(())
    }

    pub(crate) async fn say(&self, text: &str) -> Result<()> {
        let packet = DataPacket {
            payload: text.into(),
            reliable: true,
            ..DataPacket::default()
        };
        Ok(self.room.local_participant().publish_data(packet).await?)
    }

    pub(crate) fn sound(&self) -> Sound {
        let heard = locked(&self.heard);
        let last: Vec<i16> = heard.last.iter().copied().collect();
        let loud =
            last.len() == PITCH_SAMPLES && last.iter().any(|sample| f64::from(*sample) > AMPLITUDE / 4.0);
        Sound {
            hz: if loud { pitch_hz(&last) } else { 0.0 },
            loudest: f64::from(heard.loudest) / 32_768.0,
            now: f64::from(
                last.iter()
                    .map(|sample| sample.unsigned_abs())
                    .max()
                    .unwrap_or_default(),
            ) / 32_768.0,
        }
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        locked(&self.heard).texts.clone()
    }

    pub(crate) async fn wait_for_tone(&self, hz: f64, limit: Duration) -> Result<()> {
        let heard = |_: &Heard| (self.sound().hz - hz).abs() < TONE_TOLERANCE_HZ;
        self.wait_for(&format!("{hz} Hz"), limit, heard).await
    }

    pub(crate) async fn wait_for_text(&self, text: &str, limit: Duration) -> Result<()> {
        let read = |heard: &Heard| heard.texts.iter().any(|one| one == text);
        self.wait_for(text, limit, read).await
    }

    pub(crate) async fn wait_for_state(
        &self,
        of: &str,
        state: EncryptionState,
        limit: Duration,
    ) -> Result<()> {
        let told = |heard: &Heard| heard.states.iter().any(|(who, what)| who == of && *what == state);
        self.wait_for(&format!("{state:?} of {of}"), limit, told).await
    }

    pub(crate) fn frames(&self) -> usize {
        locked(&self.heard).frames
    }

    /// So many frames of 10 ms of their track, whatever is in them.
    pub(crate) async fn wait_for_frames(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_for("frames", limit, |heard| heard.frames >= count)
            .await
    }

    /// So many frames of 10 ms of our tone.
    pub(crate) async fn wait_for_sent(&self, count: usize, limit: Duration) -> Result<()> {
        self.wait_for("our frames", limit, |heard| heard.played >= count)
            .await
    }

    async fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Heard) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            // Taken out: `wanted` may look at what is heard by itself.
            let snapshot = {
                let heard = locked(&self.heard);
                Heard {
                    last: VecDeque::new(),
                    loudest: heard.loudest,
                    frames: heard.frames,
                    played: heard.played,
                    texts: heard.texts.clone(),
                    states: heard.states.clone(),
                    reconnections: heard.reconnections,
                }
            };
            if wanted(&snapshot) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < limit,
                "waiting for {what}: not within {limit:?}; we hear {:?}, have read {:?}, were told {:?}",
                self.sound(),
                snapshot.texts,
                snapshot.states
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// What we were told about somebody's frames, or about ours.
    pub(crate) fn states(&self, of: &str) -> Vec<EncryptionState> {
        let heard = locked(&self.heard);
        let told = heard.states.iter().filter(|(who, _)| who == of);
        told.map(|(_, state)| *state).collect()
    }

    /// Everything anew: connection, tracks, cryptors.
    pub(crate) async fn reconnect(&self) -> Result<()> {
        let before = locked(&self.heard).reconnections;
        self.room
            .simulate_scenario(SimulateScenario::FullReconnect)
            .await?;
        let limit = Duration::from_secs(20);
        self.wait_for("the reconnection", limit, |heard| heard.reconnections > before)
            .await
    }

    pub(crate) async fn leave(self) -> Result<()> {
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
                tokio::spawn(listen(stream, heard.clone()));
            }
            RoomEvent::DataReceived { payload, .. } => {
                let text = String::from_utf8_lossy(&payload).into_owned();
                locked(&heard).texts.push(text);
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
        let loudest = frame.data.iter().map(|sample| sample.unsigned_abs()).max();
        heard.loudest = heard.loudest.max(loudest.unwrap_or_default());
        heard.last.extend(frame.data.iter());
        let surplus = heard.last.len().saturating_sub(PITCH_SAMPLES);
        heard.last.drain(..surplus);
    }
}

/// By rising zero crossings.
fn pitch_hz(samples: &[i16]) -> f64 {
    let rising: Vec<usize> = (1..samples.len())
        .filter(|at| samples[at - 1] < 0 && samples[*at] >= 0)
        .collect();
    match (rising.first(), rising.last()) {
        (Some(first), Some(last)) if last > first => {
            (rising.len() - 1) as f64 * f64::from(RATE_HZ) / (last - first) as f64
        }
        _ => 0.0,
    }
}
