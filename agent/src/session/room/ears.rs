//! Hearing a room: LiveKit's events in, ours out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use livekit::participant::ParticipantKind;
use livekit::prelude::*;
use livekit::{DisconnectReason, TextStreamReader};
use store::Consents;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{FromRoom, FromTrack, RoomLink, sound};
use crate::session::track::Speaker;
use crate::session::types::EndReason;

/// Chat messages that are read at the same time, and how long and how much of each.
const CHAT_READERS: usize = 16;
const CHAT_TIMEOUT: Duration = Duration::from_secs(10);
const CHAT_MAX_BYTES: usize = 8 * 1024;
pub(super) const CHAT_TOPIC: &str = "lk.chat";

/// Track numbers are never used twice in a process: the recogniser tells streams apart by them.
static NEXT_TRACK: AtomicU64 = AtomicU64::new(1);

/// Turns LiveKit's events into ours.
pub(super) struct Ears {
    own: String,
    link: RoomLink,
    control: mpsc::Sender<FromRoom>,
    sound: mpsc::Sender<FromTrack>,
    pumps: HashMap<TrackSid, Pump>,
    /// Who may be heard; nobody before it is known.
    consents: watch::Receiver<Option<Consents>>,
    chat_readers: Arc<Semaphore>,
    /// Some clients send a chat message both the old and the new way.
    last_chat: Option<(String, String)>,
}

struct Pump {
    track: u64,
    stop: CancellationToken,
}

impl Ears {
    pub(super) fn new(
        link: &RoomLink,
        control: mpsc::Sender<FromRoom>,
        sound: mpsc::Sender<FromTrack>,
        consents: watch::Receiver<Option<Consents>>,
    ) -> Self {
        Self {
            own: link.room.local_participant().identity().to_string(),
            link: link.clone(),
            control,
            sound,
            pumps: HashMap::new(),
            consents,
            chat_readers: Arc::new(Semaphore::new(CHAT_READERS)),
            last_chat: None,
        }
    }

    pub(super) async fn listen(mut self, mut events: mpsc::UnboundedReceiver<RoomEvent>) {
        let over = self.link.over.clone();
        loop {
            let event = tokio::select! {
                biased;
                () = over.cancelled() => break,
                Ok(()) = self.consents.changed() => {
                    self.want_all().await;
                    continue;
                }
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
                    for track in &tracks {
                        self.want(&participant, track).await;
                    }
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
                self.want(&participant, &publication).await;
                None
            }
            RoomEvent::TrackUnpublished {
                publication,
                participant,
            } => {
                self.declined(&participant, &publication, false).await;
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
            RoomEvent::TrackMuted {
                publication: TrackPublication::Remote(publication),
                participant: Participant::Remote(participant),
            } => self.muted(&participant, &publication, true).await,
            RoomEvent::TrackUnmuted {
                publication: TrackPublication::Remote(publication),
                participant: Participant::Remote(participant),
            } => self.muted(&participant, &publication, false).await,
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
                Some(FromRoom::ConnectionLost)
            }
            RoomEvent::Reconnected => {
                tracing::info!("the connection to the room is back");
                // What is asked for while a connection is made anew goes to the old one (livekit 0.10.0), and is lost
                // with it.
                self.want_all().await;
                Some(FromRoom::ConnectionBack)
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
        if !self.allows(participant) {
            // Asked for before they declined.
            publication.set_subscribed(false);
            return;
        }
        let track = NEXT_TRACK.fetch_add(1, Ordering::Relaxed);
        let speaker = speaker(participant, publication);
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
        let stream = sound::listen(&audio);
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
            .spawn(sound::pump(track, audio, stream, stop, self.sound.clone()));
    }

    /// Subscribes to all that may be heard, and to nothing else.
    async fn want_all(&mut self) {
        for participant in self.link.room.remote_participants().values() {
            for publication in participant.track_publications().values() {
                self.want(participant, publication).await;
            }
        }
    }

    /// Subscribes to what a person says who agrees. Other agents caption themselves.
    async fn want(&mut self, participant: &RemoteParticipant, publication: &RemoteTrackPublication) {
        if !is_person(participant) || publication.kind() != TrackKind::Audio {
            return;
        }
        if self.allows(participant) {
            publication.set_subscribed(true);
        } else if self.consents.borrow().is_some() {
            publication.set_subscribed(false);
            if let Some(pump) = self.pumps.remove(&publication.sid()) {
                pump.stop.cancel();
            }
            self.declined(participant, publication, !publication.is_muted())
                .await;
        }
    }

    fn allows(&self, participant: &RemoteParticipant) -> bool {
        let consents = self.consents.borrow();
        consents
            .as_ref()
            .is_some_and(|consents| consents.allow(participant.identity().as_str()))
    }

    /// Reports the microphone of somebody who has not agreed.
    async fn declined(
        &self,
        participant: &RemoteParticipant,
        publication: &RemoteTrackPublication,
        open: bool,
    ) {
        if is_person(participant) && publication.kind() == TrackKind::Audio && !self.allows(participant) {
            let speaker = speaker(participant, publication);
            let _ = self.sound.send(FromTrack::Declined { speaker, open }).await;
        }
    }

    async fn muted(
        &self,
        participant: &RemoteParticipant,
        publication: &RemoteTrackPublication,
        muted: bool,
    ) -> Option<FromRoom> {
        let Some(pump) = self.pumps.get(&publication.sid()) else {
            self.declined(participant, publication, !muted).await;
            return None;
        };
        let track = pump.track;
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

fn joined(participant: &RemoteParticipant) -> Option<FromRoom> {
    is_person(participant).then(|| FromRoom::Joined {
        identity: participant.identity().to_string(),
        name: name_of(participant),
    })
}

fn speaker(participant: &RemoteParticipant, publication: &RemoteTrackPublication) -> Speaker {
    Speaker {
        identity: participant.identity().to_string(),
        name: name_of(participant),
        track_id: publication.sid().to_string(),
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
