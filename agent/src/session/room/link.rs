//! Speaking to a room: captions, chat, the assistant's state, private answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use livekit::SendTextOptions;
use livekit::prelude::*;
use store::Consents;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ears::CHAT_TOPIC;
use super::{FromRoom, signal};
use crate::session::reply;
use crate::session::types::{AgentState, Caption};

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
const STATE_ATTRIBUTE: &str = "lk.agent.state";
const ASK_METHOD: &str = "ask";

/// Why something did not reach the room.
#[derive(Debug, Error)]
pub enum RoomFailure {
    /// Joining failed.
    #[error("joining the room")]
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
    pub(super) consents: Arc<watch::Sender<Option<Consents>>>,
    pub(super) room: Arc<Room>,
    pub(super) tasks: TaskTracker,
    pub(super) over: CancellationToken,
}

impl RoomLink {
    /// Says who may be heard. Before this is said for the first time nobody is.
    pub fn hear(&self, consents: Consents) {
        self.consents.send_replace(Some(consents));
    }

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

    /// Takes the assistant's name, if the token was made before it was known.
    ///
    /// # Errors
    /// The room did not take it.
    pub async fn take_name(&self, name: &str) -> Result<(), RoomFailure> {
        let local = self.room.local_participant();
        if local.name() == name {
            return Ok(());
        }
        timeout(SEND_TIMEOUT, local.set_name(name.to_owned()))
            .await
            .map_err(|_| RoomFailure::TimeOut)?
            .map_err(|error| RoomFailure::Send(error.to_string()))
    }

    /// Leaves, and ends everything that was started for this room.
    pub async fn leave(&self) {
        self.over.cancel();
        if !matches!(
            timeout(CLOSE_TIMEOUT, signal::leave(&self.room)).await,
            Ok(Ok(()))
        ) {
            tracing::debug!("the room was already closed, or closing it took too long");
        }
        self.tasks.close();
        if timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "tasks of a room outlive it");
        }
    }

    /// Offers the private way to ask.
    pub(super) fn offer_ask(&self, control: mpsc::Sender<FromRoom>) {
        self.room
            .local_participant()
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
                        Ok(Err(_)) => Err(refused(reply::ENDING)),
                        Err(_) => Err(refused(reply::FAILED)),
                    }
                })
            });
    }
}
