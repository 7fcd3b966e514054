//! A simulated participant: joins a room with a token, publishes one microphone track, plays recordings into
//! it at their own pace, and reports every caption and chat message that reaches it, with its arrival time.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::{SendTextOptions, StreamReader as _};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::speech_file::SAMPLE_RATE_HZ;

const FRAME_MS: u32 = 10;
const FRAME_SAMPLES: usize = (SAMPLE_RATE_HZ * FRAME_MS / 1000) as usize;
/// How far playing may run ahead of the wire.
const QUEUE_MS: u32 = 100;
/// Reports that wait for their reader; a participant that is not read for so long is a fault of the test.
const HEARD_LIMIT: usize = 4096;

/// The way a caption reached the participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Text stream on topic `lk.transcription`.
    TextStream,
    /// The legacy transcription packet.
    Packet,
}

/// One thing that a participant noticed, as it is printed by the `participant` program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Heard {
    /// The room is joined.
    Connected {
        /// Own identity.
        identity: String,
    },
    /// Somebody else is in the room.
    ParticipantJoined {
        /// Their identity.
        identity: String,
        /// Wall clock, milliseconds.
        at_unix_ms: u64,
    },
    /// Somebody left the room.
    ParticipantLeft {
        /// Their identity.
        identity: String,
    },
    /// A recording begins to play.
    Playing {
        /// The file.
        file: String,
        /// Wall clock, milliseconds.
        at_unix_ms: u64,
    },
    /// A recording was played to its end.
    Played {
        /// The file.
        file: String,
        /// Wall clock, milliseconds.
        at_unix_ms: u64,
    },
    /// A caption, partial or final.
    Caption {
        /// `lk.segment_id`.
        segment: String,
        /// Who spoke, as the room sees it.
        speaker: String,
        /// The whole text of the segment so far.
        text: String,
        /// Settled.
        r#final: bool,
        /// Wall clock, milliseconds.
        at_unix_ms: u64,
        /// How it came.
        via: Via,
        /// `lk.transcribed_track_id`, if it was sent.
        track: Option<String>,
    },
    /// A chat message.
    Chat {
        /// The sender's identity.
        from: String,
        /// What was written.
        text: String,
        /// Wall clock, milliseconds.
        at_unix_ms: u64,
    },
    /// The connection ended.
    Disconnected {
        /// LiveKit's reason.
        reason: String,
    },
}

/// The wall clock in milliseconds since 1970.
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// A participant in a room.
pub struct Participant {
    room: Room,
    source: NativeAudioSource,
    red: bool,
    heard: mpsc::Sender<Heard>,
}

impl Participant {
    /// Joins and publishes a silent microphone; what is heard afterwards comes through the receiver.
    ///
    /// # Errors
    /// The server refuses the token or cannot be reached.
    pub async fn join(url: &str, token: &str) -> Result<(Self, mpsc::Receiver<Heard>)> {
        Self::join_with(url, token, RoomOptions::default(), true).await
    }

    /// As [`Participant::join`], without hearing anybody: many on one machine leave its processors to what is measured.
    ///
    /// # Errors
    /// As [`Participant::join`].
    pub async fn join_deaf(url: &str, token: &str) -> Result<(Self, mpsc::Receiver<Heard>)> {
        Self::join_with(url, token, deaf(), true).await
    }

    /// As [`Participant::join_deaf`], from a client that sends no redundant sound (RFC 2198).
    ///
    /// # Errors
    /// As [`Participant::join`].
    pub async fn join_deaf_without_red(url: &str, token: &str) -> Result<(Self, mpsc::Receiver<Heard>)> {
        Self::join_with(url, token, deaf(), false).await
    }

    async fn join_with(
        url: &str,
        token: &str,
        options: RoomOptions,
        red: bool,
    ) -> Result<(Self, mpsc::Receiver<Heard>)> {
        let (room, events) = Room::connect(url, token, options)
            .await
            .context("joining the room")?;
        let (heard, receiver) = mpsc::channel(HEARD_LIMIT);
        tokio::spawn(report(events, heard.clone()));
        let identity = room.local_participant().identity().to_string();
        heard.send(Heard::Connected { identity }).await?;
        for (identity, _) in room.remote_participants() {
            heard
                .send(Heard::ParticipantJoined {
                    identity: identity.to_string(),
                    at_unix_ms: unix_ms(),
                })
                .await?;
        }
        let participant = Self {
            room,
            source: NativeAudioSource::new(AudioSourceOptions::default(), SAMPLE_RATE_HZ, 1, QUEUE_MS),
            red,
            heard,
        };
        participant.publish("microphone").await?;
        Ok((participant, receiver))
    }

    async fn publish(&self, name: &str) -> Result<()> {
        let source = RtcAudioSource::Native(self.source.clone());
        let track = LocalTrack::Audio(LocalAudioTrack::create_audio_track(name, source));
        let options = TrackPublishOptions {
            source: TrackSource::Microphone,
            red: self.red,
            ..Default::default()
        };
        let published = self.room.local_participant().publish_track(track, options).await;
        published.context("publishing a microphone").map(drop)
    }

    /// Takes the microphone back and publishes another one, which has the same sound.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn change_microphone(&self) -> Result<()> {
        let participant = self.room.local_participant();
        for track in participant.track_publications().into_keys() {
            participant.unpublish_track(&track).await?;
        }
        self.publish("another microphone").await
    }

    /// Own identity.
    pub fn identity(&self) -> String {
        self.room.local_participant().identity().to_string()
    }

    /// The LiveKit room underneath, for tests that need more.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Plays samples (16 kHz mono) at their own pace; returns when the last one is on its way.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn play(&self, name: &str, samples: &[i16]) -> Result<()> {
        self.heard
            .send(Heard::Playing {
                file: name.to_owned(),
                at_unix_ms: unix_ms(),
            })
            .await?;
        for chunk in samples.chunks(FRAME_SAMPLES) {
            let mut data = chunk.to_vec();
            data.resize(FRAME_SAMPLES, 0);
            let frame = AudioFrame {
                data: data.into(),
                sample_rate: SAMPLE_RATE_HZ,
                num_channels: 1,
                samples_per_channel: FRAME_SAMPLES as u32,
            };
            self.source
                .capture_frame(&frame)
                .await
                .map_err(|error| anyhow::anyhow!("playing {name}: {error}"))?;
        }
        self.heard
            .send(Heard::Played {
                file: name.to_owned(),
                at_unix_ms: unix_ms(),
            })
            .await?;
        Ok(())
    }

    /// Writes a chat message to everybody.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn say(&self, text: &str) -> Result<()> {
        let options = SendTextOptions::new_with_topic("lk.chat");
        self.room
            .local_participant()
            .send_text(text, options)
            .await
            .context("sending a chat message")?;
        Ok(())
    }

    /// Mutes or unmutes the microphone.
    pub fn set_muted(&self, muted: bool) {
        for publication in self.room.local_participant().track_publications().into_values() {
            if muted {
                publication.mute();
            } else {
                publication.unmute();
            }
        }
    }

    /// Leaves the room at once: what is still queued is not played.
    ///
    /// # Errors
    /// The connection is already gone.
    pub async fn leave(self) -> Result<()> {
        self.source.clear_buffer();
        self.room.close().await.context("leaving the room")
    }
}

fn deaf() -> RoomOptions {
    let mut options = RoomOptions::default();
    options.auto_subscribe = false;
    options
}

/// Turns LiveKit's events into reports until the room or the reader is gone.
async fn report(mut events: mpsc::UnboundedReceiver<RoomEvent>, heard: mpsc::Sender<Heard>) {
    while let Some(event) = events.recv().await {
        let at_unix_ms = unix_ms();
        let reports = match event {
            RoomEvent::ParticipantConnected(participant) => {
                vec![Heard::ParticipantJoined {
                    identity: participant.identity().to_string(),
                    at_unix_ms,
                }]
            }
            RoomEvent::ParticipantDisconnected(participant) => {
                vec![Heard::ParticipantLeft {
                    identity: participant.identity().to_string(),
                }]
            }
            RoomEvent::TranscriptionReceived {
                participant,
                track_publication,
                segments,
            } => {
                let speaker = participant.map(|p| p.identity().to_string()).unwrap_or_default();
                let track = track_publication.map(|publication| publication.sid().to_string());
                segments
                    .into_iter()
                    .map(|segment| Heard::Caption {
                        segment: segment.id,
                        speaker: speaker.clone(),
                        text: segment.text,
                        r#final: segment.r#final,
                        at_unix_ms,
                        via: Via::Packet,
                        track: track.clone(),
                    })
                    .collect()
            }
            RoomEvent::TextStreamOpened {
                reader,
                topic,
                participant_identity,
            } => {
                let Some(reader) = reader.take() else { continue };
                tokio::spawn(read_stream(
                    reader,
                    topic,
                    participant_identity.to_string(),
                    heard.clone(),
                ));
                continue;
            }
            RoomEvent::Disconnected { reason } => vec![Heard::Disconnected {
                reason: format!("{reason:?}"),
            }],
            _ => continue,
        };
        for report in reports {
            if heard.send(report).await.is_err() {
                return;
            }
        }
    }
}

async fn read_stream(
    reader: livekit::TextStreamReader,
    topic: String,
    from: String,
    heard: mpsc::Sender<Heard>,
) {
    let attributes = reader.info().attributes();
    let Ok(text) = reader.read_all().await else { return };
    let at_unix_ms = unix_ms();
    let report = match topic.as_str() {
        "lk.chat" => Heard::Chat {
            from,
            text,
            at_unix_ms,
        },
        "lk.transcription" => Heard::Caption {
            segment: attributes.get("lk.segment_id").cloned().unwrap_or_default(),
            speaker: from,
            text,
            r#final: attributes
                .get("lk.transcription_final")
                .is_some_and(|value| value == "true"),
            at_unix_ms,
            via: Via::TextStream,
            track: attributes.get("lk.transcribed_track_id").cloned(),
        },
        _ => return,
    };
    // A reader that is gone has heard enough.
    let _ = heard.send(report).await;
}
