//! The room adapter: the only code that touches `livekit` types. It subscribes to every microphone of a person,
//! hands their sound over in small frames, turns the room's events into plain ones, and speaks for the session.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use livekit::participant::ParticipantKind;
use livekit::prelude::*;
use livekit::webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions};
use livekit::{DisconnectReason, SendTextOptions, TextStreamReader};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::track::Speaker;
use super::types::{AgentState, Caption, EndReason};

/// The rate at which we listen.
pub const SAMPLE_RATE_HZ: i32 = 16_000;
/// Sound is handed over in pieces of this size: 20 ms.
const PIECE_SAMPLES: usize = 320;
/// Frames of 10 ms that may wait in a track's own queue.
const TRACK_QUEUE_FRAMES: usize = 100;
/// Pieces of sound of all tracks that may wait for the session: ten seconds of one speaker.
const SOUND_QUEUE: usize = 512;
/// Other events that may wait for the session.
const CONTROL_QUEUE: usize = 256;
/// Chat messages that are read at the same time, and how long and how much of each.
const CHAT_READERS: usize = 16;
const CHAT_TIMEOUT: Duration = Duration::from_secs(10);
const CHAT_MAX_BYTES: usize = 8 * 1024;
/// Longest wait of a private caller.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// LiveKit's limit for an RPC's payload.
pub const RPC_PAYLOAD_MAX_BYTES: usize = 15 * 1024;
/// An application's own RPC errors start here by LiveKit's convention.
const RPC_APPLICATION_ERROR: u32 = 1500;
/// Sending one message may take so long.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

const CAPTION_TOPIC: &str = "lk.transcription";
const CHAT_TOPIC: &str = "lk.chat";
const STATE_ATTRIBUTE: &str = "lk.agent.state";
const ASK_METHOD: &str = "ask";

/// Track numbers are never used twice in a process: the recogniser tells streams apart by them.
static NEXT_TRACK: AtomicU64 = AtomicU64::new(1);

/// What a private caller is told: a JSON payload, or why there is none.
pub type AskReply = Result<String, String>;

/// What happens in the room besides sound.
#[derive(Debug)]
pub enum FromRoom {
    /// A person is in the room.
    Joined {
        /// Who.
        identity: String,
        /// Their name.
        name: String,
    },
    /// A person is gone.
    Left {
        /// Who.
        identity: String,
    },
    /// A person wrote into the chat.
    Chat {
        /// Who.
        identity: String,
        /// What.
        text: String,
    },
    /// A person called the RPC `ask`.
    Asked {
        /// Who.
        identity: String,
        /// What.
        text: String,
        /// Where the answer goes.
        reply: oneshot::Sender<AskReply>,
    },
    /// The connection is over.
    Disconnected(EndReason),
}

/// What happens on the tracks, in order.
#[derive(Debug)]
pub enum FromTrack {
    /// A track is heard from now on.
    Started {
        /// Its number.
        track: u64,
        /// Whose it is.
        speaker: Speaker,
    },
    /// Sound.
    Samples {
        /// The track.
        track: u64,
        /// 16 kHz mono.
        samples: Vec<i16>,
    },
    /// It was muted or unmuted.
    Muted {
        /// The track.
        track: u64,
        /// Which of the two.
        muted: bool,
    },
    /// It is gone, and all its sound is handed over.
    Ended {
        /// The track.
        track: u64,
    },
}

/// Why something did not reach the room.
#[derive(Debug, Error)]
pub enum RoomFailure {
    /// Joining failed.
    #[error("joining the room: {0}")]
    Join(#[source] Box<RoomError>),
    /// A message could not be sent.
    #[error("sending to the room: {0}")]
    Send(String),
    /// It took too long.
    #[error("the room did not take the message within {} s", SEND_TIMEOUT.as_secs())]
    TimeOut,
}

/// A joined room, for speaking to it.
#[derive(Clone, Debug)]
pub struct RoomLink {
    room: Arc<Room>,
    tasks: TaskTracker,
    over: CancellationToken,
}

/// A joined room, for hearing it.
#[derive(Debug)]
pub struct RoomEvents {
    /// Everything but sound.
    pub control: mpsc::Receiver<FromRoom>,
    /// Sound.
    pub sound: mpsc::Receiver<FromTrack>,
}

/// Joins. Whoever is there already is reported as if they came now.
///
/// # Errors
/// The server refuses the token or cannot be reached.
pub async fn join(url: &str, token: &str) -> Result<(RoomLink, RoomEvents), RoomFailure> {
    let mut options = RoomOptions::default();
    // Only microphones are wanted, so we choose the tracks ourselves.
    options.auto_subscribe = false;
    let (room, events) = Room::connect(url, token, options)
        .await
        .map_err(|error| RoomFailure::Join(Box::new(error)))?;
    let (to_control, control) = mpsc::channel(CONTROL_QUEUE);
    let (to_sound, sound) = mpsc::channel(SOUND_QUEUE);
    let link = RoomLink {
        room: Arc::new(room),
        tasks: TaskTracker::new(),
        over: CancellationToken::new(),
    };
    offer_ask(&link.room, to_control.clone());
    let ears = Ears {
        own: link.room.local_participant().identity().to_string(),
        link: link.clone(),
        control: to_control,
        sound: to_sound,
        pumps: HashMap::new(),
        chat_readers: Arc::new(Semaphore::new(CHAT_READERS)),
        last_chat: None,
    };
    link.tasks.spawn(ears.listen(events));
    Ok((link, RoomEvents { control, sound }))
}

impl RoomLink {
    /// Publishes a caption both ways: as a text stream in the speaker's name, and as the legacy packet.
    ///
    /// # Errors
    /// The room did not take it.
    pub async fn publish(&self, caption: &Caption) -> Result<(), RoomFailure> {
        let local = self.room.local_participant();
        let settled = caption.is_final();
        let mut options = SendTextOptions::new_with_topic(CAPTION_TOPIC);
        options.sender_identity = Some(ParticipantIdentity(caption.identity.clone()));
        options.attributes = HashMap::from([
            ("lk.segment_id".to_owned(), caption.segment_id.to_string()),
            ("lk.transcription_final".to_owned(), settled.to_string()),
            ("lk.transcribed_track_id".to_owned(), caption.track_id.clone()),
        ]);
        let segment = TranscriptionSegment {
            id: caption.segment_id.to_string(),
            text: caption.text.clone(),
            start_time: caption.start_ms,
            end_time: caption.end_ms,
            r#final: settled,
            language: String::new(),
        };
        let packet = Transcription {
            participant_identity: caption.identity.clone(),
            track_id: caption.track_id.clone(),
            segments: vec![segment],
        };
        let (stream, packet) = timeout(SEND_TIMEOUT, async {
            tokio::join!(
                local.send_text(&caption.text, options),
                local.publish_transcription(packet)
            )
        })
        .await
        .map_err(|_| RoomFailure::TimeOut)?;
        stream.map_err(|error| RoomFailure::Send(error.to_string()))?;
        packet.map_err(|error| RoomFailure::Send(error.to_string()))
    }

    /// Writes into the chat.
    ///
    /// # Errors
    /// The room did not take it.
    pub async fn say(&self, text: &str) -> Result<(), RoomFailure> {
        let local = self.room.local_participant();
        timeout(
            SEND_TIMEOUT,
            local.send_text(text, SendTextOptions::new_with_topic(CHAT_TOPIC)),
        )
        .await
        .map_err(|_| RoomFailure::TimeOut)?
        .map(drop)
        .map_err(|error| RoomFailure::Send(error.to_string()))
    }

    /// Shows the assistant's state.
    ///
    /// # Errors
    /// The room did not take it.
    pub async fn show(&self, state: AgentState) -> Result<(), RoomFailure> {
        let attributes = HashMap::from([(STATE_ATTRIBUTE.to_owned(), state.as_str().to_owned())]);
        timeout(
            SEND_TIMEOUT,
            self.room.local_participant().set_attributes(attributes),
        )
        .await
        .map_err(|_| RoomFailure::TimeOut)?
        .map_err(|error| RoomFailure::Send(error.to_string()))
    }

    /// Leaves, and ends everything that was started for this room.
    pub async fn leave(&self) {
        self.over.cancel();
        if !matches!(timeout(CLOSE_TIMEOUT, self.room.close()).await, Ok(Ok(()))) {
            tracing::debug!("the room was already closed, or closing it took too long");
        }
        self.tasks.close();
        if timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "tasks of a room outlive it");
        }
    }
}

/// Offers the private way to ask.
fn offer_ask(room: &Room, control: mpsc::Sender<FromRoom>) {
    room.local_participant()
        .register_rpc_method(ASK_METHOD.to_owned(), move |call| {
            let control = control.clone();
            Box::pin(async move {
                let (reply, answer) = oneshot::channel();
                let asked = FromRoom::Asked {
                    identity: call.caller_identity.to_string(),
                    text: call.payload,
                    reply,
                };
                let refused = |why: &str| RpcError::new(RPC_APPLICATION_ERROR, why.to_owned(), None);
                control
                    .try_send(asked)
                    .map_err(|_| refused("The assistant is busy."))?;
                match timeout(call.response_timeout.min(ASK_TIMEOUT), answer).await {
                    Ok(Ok(Ok(payload))) => Ok(payload),
                    Ok(Ok(Err(why))) => Err(refused(&why)),
                    Ok(Err(_)) => Err(refused(super::reply::ENDING)),
                    Err(_) => Err(refused(super::reply::FAILED)),
                }
            })
        });
}

/// Turns LiveKit's events into ours.
struct Ears {
    own: String,
    link: RoomLink,
    control: mpsc::Sender<FromRoom>,
    sound: mpsc::Sender<FromTrack>,
    pumps: HashMap<TrackSid, Pump>,
    chat_readers: Arc<Semaphore>,
    /// Some clients send a chat message both the old and the new way.
    last_chat: Option<(String, String)>,
}

struct Pump {
    track: u64,
    stop: CancellationToken,
}

impl Ears {
    async fn listen(mut self, mut events: mpsc::UnboundedReceiver<RoomEvent>) {
        let over = self.link.over.clone();
        loop {
            let event = tokio::select! {
                biased;
                () = over.cancelled() => break,
                event = events.recv() => event,
            };
            let Some(event) = event else { break };
            if let Some(report) = self.take(event).await
                && self.control.send(report).await.is_err()
            {
                break;
            }
        }
        for pump in self.pumps.values() {
            pump.stop.cancel();
        }
    }

    async fn take(&mut self, event: RoomEvent) -> Option<FromRoom> {
        match event {
            RoomEvent::Connected {
                participants_with_tracks,
            } => {
                for (participant, tracks) in participants_with_tracks {
                    tracks.iter().for_each(|track| want(&participant, track));
                    if let Some(joined) = joined(&participant) {
                        self.control.send(joined).await.ok()?;
                    }
                }
                None
            }
            RoomEvent::ParticipantConnected(participant) => joined(&participant),
            RoomEvent::ParticipantDisconnected(participant) => {
                is_person(&participant).then(|| FromRoom::Left {
                    identity: participant.identity().to_string(),
                })
            }
            RoomEvent::TrackPublished {
                publication,
                participant,
            } => {
                want(&participant, &publication);
                None
            }
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                publication,
                participant,
            } => {
                self.track_subscribed(track, &publication, &participant).await;
                None
            }
            RoomEvent::TrackUnsubscribed { publication, .. } => {
                if let Some(pump) = self.pumps.remove(&publication.sid()) {
                    pump.stop.cancel();
                }
                None
            }
            RoomEvent::TrackMuted { publication, .. } => self.muted(&publication.sid(), true).await,
            RoomEvent::TrackUnmuted { publication, .. } => self.muted(&publication.sid(), false).await,
            RoomEvent::TextStreamOpened {
                reader,
                topic,
                participant_identity,
            } if topic == CHAT_TOPIC => {
                if self.is_persons(&participant_identity) {
                    self.read_chat(reader.take()?, participant_identity.to_string());
                }
                None
            }
            RoomEvent::ChatMessage { message, participant } => {
                let identity = participant.filter(is_person)?.identity().to_string();
                self.chat(identity, message.message)
            }
            RoomEvent::Disconnected { reason } => Some(FromRoom::Disconnected(end_reason(reason))),
            RoomEvent::Reconnecting => {
                tracing::info!("the connection to the room was lost; reconnecting");
                None
            }
            RoomEvent::Reconnected => {
                tracing::info!("the connection to the room is back");
                None
            }
            _ => None,
        }
    }

    async fn track_subscribed(
        &mut self,
        audio: RemoteAudioTrack,
        publication: &RemoteTrackPublication,
        participant: &RemoteParticipant,
    ) {
        let track = NEXT_TRACK.fetch_add(1, Ordering::Relaxed);
        let speaker = Speaker {
            identity: participant.identity().to_string(),
            name: name_of(participant),
            track_id: publication.sid().to_string(),
        };
        let stop = self.link.over.child_token();
        if let Some(replaced) = self.pumps.insert(
            publication.sid(),
            Pump {
                track,
                stop: stop.clone(),
            },
        ) {
            replaced.stop.cancel();
        }
        let queue = NativeAudioStreamOptions {
            queue_size_frames: Some(TRACK_QUEUE_FRAMES),
        };
        let stream = NativeAudioStream::with_options(audio.rtc_track(), SAMPLE_RATE_HZ, 1, queue);
        if self
            .sound
            .send(FromTrack::Started { track, speaker })
            .await
            .is_err()
        {
            return;
        }
        if publication.is_muted() {
            let _ = self.sound.send(FromTrack::Muted { track, muted: true }).await;
        }
        self.link
            .tasks
            .spawn(pump(track, stream, stop, self.sound.clone()));
    }

    async fn muted(&self, sid: &TrackSid, muted: bool) -> Option<FromRoom> {
        let track = self.pumps.get(sid)?.track;
        let _ = self.sound.send(FromTrack::Muted { track, muted }).await;
        None
    }

    fn is_persons(&self, identity: &ParticipantIdentity) -> bool {
        let known = self.link.room.remote_participants();
        identity.as_str() != self.own && known.get(identity).is_none_or(is_person)
    }

    fn read_chat(&self, reader: TextStreamReader, identity: String) {
        let Ok(permit) = self.chat_readers.clone().try_acquire_owned() else {
            tracing::warn!("too many chat messages at once: one was not read");
            return;
        };
        let control = self.control.clone();
        self.link.tasks.spawn(async move {
            if let Ok(Some(text)) = timeout(CHAT_TIMEOUT, read(reader)).await {
                let _ = control.send(FromRoom::Chat { identity, text }).await;
            }
            drop(permit);
        });
    }

    /// A legacy chat packet, unless the same words came in the other way.
    fn chat(&mut self, identity: String, text: String) -> Option<FromRoom> {
        let message = (
            identity,
            text.chars().take(CHAT_MAX_BYTES / 4).collect::<String>(),
        );
        if self.last_chat.as_ref() == Some(&message) {
            return None;
        }
        self.last_chat = Some(message.clone());
        Some(FromRoom::Chat {
            identity: message.0,
            text: message.1,
        })
    }
}

/// The text of a stream, or nothing if it is too long or broken.
async fn read(mut reader: TextStreamReader) -> Option<String> {
    let mut text = String::new();
    while let Some(chunk) = reader.next().await {
        text.push_str(&chunk.ok()?);
        if text.len() > CHAT_MAX_BYTES {
            return None;
        }
    }
    Some(text)
}

/// Hands a track's sound over until it ends or is stopped, then says so.
async fn pump(
    track: u64,
    mut stream: NativeAudioStream,
    stop: CancellationToken,
    sound: mpsc::Sender<FromTrack>,
) {
    let mut piece = Vec::with_capacity(PIECE_SAMPLES);
    let mut shed_pieces = 0_u64;
    loop {
        let frame = tokio::select! {
            biased;
            frame = stream.next() => frame,
            // What has arrived is heard even when the track is already gone.
            () = stop.cancelled() => stream.next().now_or_never().flatten(),
        };
        let Some(frame) = frame else { break };
        piece.extend_from_slice(&frame.data);
        if piece.len() >= PIECE_SAMPLES {
            let samples = std::mem::replace(&mut piece, Vec::with_capacity(PIECE_SAMPLES));
            // A session that is ten seconds behind hears a gap; waiting here would only hide it.
            if sound.try_send(FromTrack::Samples { track, samples }).is_err() {
                shed_pieces += 1;
                if shed_pieces.is_power_of_two() {
                    tracing::warn!(track, shed_pieces, "the session does not keep up with its sound");
                }
            }
        }
    }
    if !piece.is_empty() {
        let _ = sound
            .send(FromTrack::Samples {
                track,
                samples: piece,
            })
            .await;
    }
    let _ = sound.send(FromTrack::Ended { track }).await;
}

fn joined(participant: &RemoteParticipant) -> Option<FromRoom> {
    is_person(participant).then(|| FromRoom::Joined {
        identity: participant.identity().to_string(),
        name: name_of(participant),
    })
}

/// Subscribes to what a person says. Other agents caption themselves.
fn want(participant: &RemoteParticipant, publication: &RemoteTrackPublication) {
    if is_person(participant) && publication.kind() == TrackKind::Audio {
        publication.set_subscribed(true);
    }
}

fn is_person(participant: &RemoteParticipant) -> bool {
    !matches!(
        participant.kind(),
        ParticipantKind::Agent | ParticipantKind::Egress
    )
}

fn name_of(participant: &RemoteParticipant) -> String {
    let name = participant.name();
    if name.trim().is_empty() {
        participant.identity().to_string()
    } else {
        name
    }
}

fn end_reason(reason: DisconnectReason) -> EndReason {
    match reason {
        DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => EndReason::RoomClosed,
        DisconnectReason::ParticipantRemoved | DisconnectReason::DuplicateIdentity => EndReason::Removed,
        _ => EndReason::ConnectionLost,
    }
}
