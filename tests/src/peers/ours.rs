//! The official `livekit` crate on our backend: plays a tone, keeps what it hears, reads and is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::native::frame_cryptor::EncryptionState;
use livekit::webrtc::stats::RtcStats;
use livekit::webrtc::video_stream::native::NativeVideoStream;
use livekit::{SendTextOptions, SimulateScenario, StreamReader as _, TextStreamReader};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::sound::Ear;
use super::{How, POLL, Reception, SILENCE, Sound, TEXTS_TOPIC, Text};
use crate::tone::{RATE_HZ, play_tuned};

/// What has come so far.
#[derive(Default)]
struct Heard {
    ear: Ear,
    /// Of 10 ms, of all streams.
    frames: usize,
    /// Of 10 ms, of our tone.
    played: usize,
    /// The pitch of our tone.
    plays_hz: f64,
    /// Streams that have not ended.
    streams: usize,
    /// The last that is heard.
    track: Option<RemoteAudioTrack>,
    texts: Vec<Text>,
    /// What happened to others, in the words of the other clients.
    told: Vec<String>,
    states: Vec<(String, EncryptionState)>,
    reconnections: usize,
}

/// A participant on our backend.
pub struct Ours {
    /// The room it is in.
    pub room: Room,
    heard: Arc<Mutex<Heard>>,
}

/// How the packets of a track are marked, as the statistics of its sender or receiver have it.
fn mime_type(stats: &[RtcStats]) -> Result<String> {
    let used = stats.iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(&inbound.stream.codec_id),
        RtcStats::OutboundRtp(outbound) => Some(&outbound.stream.codec_id),
        _ => None,
    });
    let codec = stats.iter().find_map(|stats| match stats {
        RtcStats::Codec(codec) if Some(&codec.rtc.id) == used => Some(codec),
        _ => None,
    });
    Ok(codec.context("no codec")?.codec.mime_type.clone())
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
        self.tune(hz);
        let heard = self.heard.clone();
        let next_hz = move || {
            let mut heard = locked(&heard);
            heard.played += 1;
            heard.plays_hz
        };
        tokio::spawn(play_tuned(source, hz, next_hz));
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

    /// Plays at another pitch from now on.
    pub fn tune(&self, hz: f64) {
        locked(&self.heard).plays_hz = hz;
    }

    /// Mutes all that it has published, or takes that back.
    pub fn mute(&self, muted: bool) {
        for publication in self.room.local_participant().track_publications().into_values() {
            if muted {
                publication.mute();
            } else {
                publication.unmute();
            }
        }
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
        let participant = self.room.local_participant();
        if how == How::Stream {
            let options = SendTextOptions::new_with_topic(TEXTS_TOPIC);
            participant.send_text(text, options).await?;
            return Ok(());
        }
        let packet = DataPacket {
            payload: text.into(),
            reliable: how == How::Reliable,
            ..DataPacket::default()
        };
        Ok(participant.publish_data(packet).await?)
    }

    /// What it hears.
    pub fn sound(&self) -> Sound {
        locked(&self.heard).ear.sound()
    }

    /// What it has read.
    pub fn texts(&self) -> Vec<Text> {
        locked(&self.heard).texts.clone()
    }

    /// What it was told of others so far.
    pub fn told(&self) -> Vec<String> {
        locked(&self.heard).told.clone()
    }

    /// How the last track that it hears arrives.
    ///
    /// # Errors
    /// There is none.
    pub async fn reception(&self) -> Result<Reception> {
        let track = locked(&self.heard).track.clone();
        let stats = track.context("no track is heard")?.get_stats().await?;
        let inbound = stats.into_iter().find_map(|stats| match stats {
            RtcStats::InboundRtp(inbound) => Some(inbound),
            _ => None,
        });
        let of = inbound.context("no statistics of what is received")?;
        Ok(Reception {
            packets: of.received.packets_received,
            lost: of.received.packets_lost,
            samples: of.inbound.total_samples_received,
            concealed: of.inbound.concealed_samples,
            delay_s: of.inbound.jitter_buffer_delay,
            emitted: of.inbound.jitter_buffer_emitted_count,
        })
    }

    /// The MIME types of the last track that it hears and of the first that it publishes.
    ///
    /// # Errors
    /// There is none.
    pub async fn mime_types(&self) -> Result<(String, String)> {
        let heard = locked(&self.heard).track.clone();
        let heard = heard.context("no track is heard")?.get_stats().await?;
        let published = self.room.local_participant().track_publications().into_values();
        let published = published.filter_map(|publication| publication.track()).next();
        let published = published.context("nothing is published")?.get_stats().await?;
        Ok((mime_type(&heard)?, mime_type(&published)?))
    }

    /// From which UDP ports it reaches the server, by whichever of its connections.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn ports(&self) -> Result<Vec<u16>> {
        let stats = self.room.get_stats().await?;
        let all = stats.publisher_stats.iter().chain(&stats.subscriber_stats);
        let ports = all.filter_map(|stats| match stats {
            RtcStats::LocalCandidate(candidate) if candidate.local_candidate.protocol == "udp" => {
                u16::try_from(candidate.local_candidate.port).ok()
            }
            _ => None,
        });
        Ok(ports.collect())
    }

    /// How often its connection broke and was mended.
    pub fn reconnections(&self) -> usize {
        locked(&self.heard).reconnections
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

    /// Waits until it hears a tone as loud as it was played.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_tone_as_played(&self, hz: f64, limit: Duration) -> Result<()> {
        let heard = |heard: &Heard| heard.ear.sound().is_tone_as_played(hz);
        self.wait_for(&format!("{hz} Hz as played"), limit, heard).await
    }

    /// Waits until nothing is heard any more, while their stream goes on.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_silence(&self, limit: Duration) -> Result<()> {
        let silent = |heard: &Heard| heard.streams > 0 && heard.ear.sound().now < SILENCE;
        self.wait_for("silence", limit, silent).await
    }

    /// Waits until every stream that was listened to has ended.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_for_the_end(&self, limit: Duration) -> Result<()> {
        self.wait_for("the streams' end", limit, |heard| heard.streams == 0)
            .await
    }

    /// Waits until it was told something of others.
    ///
    /// # Errors
    /// See [`Ours::wait_for_tone`].
    pub async fn wait_until_told(&self, what: &str, limit: Duration) -> Result<()> {
        let told = |heard: &Heard| heard.told.iter().any(|one| one == what);
        self.wait_for(what, limit, told).await
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
                    "waiting for {what}: not within {limit:?}; we hear {:?}, have read {:?}, were told {:?} and {:?}",
                    heard.ear.sound(),
                    heard.texts,
                    heard.told,
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
    let tell = |what: &str, who: String| locked(&heard).told.push(format!("{what} {who}"));
    while let Some(event) = events.recv().await {
        match event {
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                ..
            } => {
                let stream = NativeAudioStream::new(track.rtc_track(), RATE_HZ as i32, 1);
                let mut now = locked(&heard);
                now.ear.begin_anew();
                now.streams += 1;
                now.track = Some(track);
                tokio::spawn(listen(stream, heard.clone()));
            }
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Video(track),
                participant,
                ..
            } => {
                let stream = NativeVideoStream::new(track.rtc_track());
                tokio::spawn(watch(stream, participant.identity().to_string(), heard.clone()));
            }
            RoomEvent::TrackUnsubscribed {
                track: RemoteTrack::Video(_),
                participant,
                ..
            } => tell("hidden", participant.identity().to_string()),
            RoomEvent::TrackMuted { participant, .. } => tell("muted", participant.identity().to_string()),
            RoomEvent::TrackUnmuted { participant, .. } => {
                tell("unmuted", participant.identity().to_string());
            }
            RoomEvent::ParticipantDisconnected(participant) => {
                tell("left", participant.identity().to_string());
            }
            RoomEvent::DataReceived { payload, kind, .. } => {
                let how = match kind {
                    DataPacketKind::Reliable => How::Reliable,
                    DataPacketKind::Lossy => How::Lossy,
                };
                let text = String::from_utf8_lossy(&payload).into_owned();
                locked(&heard).texts.push(Text { how, text });
            }
            RoomEvent::TextStreamOpened { reader, topic, .. } if topic == TEXTS_TOPIC => {
                if let Some(reader) = reader.take() {
                    tokio::spawn(read(reader, heard.clone()));
                }
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
    locked(&heard).streams -= 1;
}

/// Tells how many pictures came, once the stream has ended.
async fn watch(stream: NativeVideoStream, of: String, heard: Arc<Mutex<Heard>>) {
    let pictures = stream.count().await;
    locked(&heard).told.push(format!("{pictures} pictures of {of}"));
}

async fn read(reader: TextStreamReader, heard: Arc<Mutex<Heard>>) {
    // A stream that breaks off is one that is not read.
    if let Ok(text) = reader.read_all().await {
        let how = How::Stream;
        locked(&heard).texts.push(Text { how, text });
    }
}
