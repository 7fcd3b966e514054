//! What the dispatcher asks of LiveKit: rooms, dispatches of agents, tokens of participants. Every call is bounded in
//! time; whether the last one worked is remembered for readiness.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use livekit_api::access_token::{AccessToken, AccessTokenError, TokenVerifier, VideoGrants};
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::{CreateRoomOptions, RoomClient};
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError};
use livekit_api::webhooks::WebhookReceiver;
use livekit_protocol as proto;
use serde::Serialize;
use uuid::Uuid;

/// The agent name that our workers register with.
pub const AGENT_NAME: &str = "rapporteur";
/// A call takes a few milliseconds; past this the server counts as away.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Seats for agents beside the people: during a takeover the old one may still be in the room.
const AGENT_SEATS: u32 = 2;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum LiveKitError {
    /// Nobody answered in time, or somebody who is not LiveKit.
    #[error("LiveKit is unreachable: {0}")]
    Unreachable(String),
    /// LiveKit answered with an error.
    #[error("LiveKit refused ({code})")]
    Refused {
        /// Its name for the error.
        code: String,
    },
    /// The configured key and secret cannot sign.
    #[error("signing a token failed: {0}")]
    Token(#[from] AccessTokenError),
}

impl From<ServiceError> for LiveKitError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::AccessToken(error) => Self::Token(error),
            ServiceError::Twirp(ServerError::Twirp(ServerErrorCode { code, .. })) => Self::Refused { code },
            other => Self::Unreachable(root_cause(&other)),
        }
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What a dispatch carries to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct DispatchMetadata {
    /// The room's row.
    pub room_id: Uuid,
    /// Whose it is.
    pub organisation_id: Uuid,
    /// The epoch that this agent may take the lease for.
    pub epoch: i64,
}

/// A participant's way into a room.
#[derive(Clone, Debug)]
pub struct JoinToken {
    /// The JWT.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

struct Inner {
    rooms: RoomClient,
    dispatches: AgentDispatchClient,
    public_url: String,
    api_key: String,
    api_secret: String,
}

fn is_of(dispatch: &proto::AgentDispatch, metadata: DispatchMetadata) -> bool {
    serde_json::from_str(&dispatch.metadata).ok() == Some(metadata)
}

fn has_worker(dispatch: &proto::AgentDispatch) -> bool {
    let jobs = dispatch.state.iter().flat_map(|state| &state.jobs);
    jobs.filter_map(|job| job.state.as_ref()).any(|state| {
        let is_over = matches!(
            state.status(),
            proto::JobStatus::JsSuccess | proto::JobStatus::JsFailed
        );
        !is_over && !state.worker_id.is_empty()
    })
}

/// A handle to the server; clones share its connections.
#[derive(Clone)]
pub struct LiveKit {
    inner: Arc<Inner>,
}

impl LiveKit {
    /// A handle; nothing is called yet. `public_url` is what participants are told.
    pub fn new(url: &str, public_url: &str, api_key: &str, api_secret: &str) -> Self {
        Self {
            inner: Arc::new(Inner {
                rooms: RoomClient::with_api_key(url, api_key, api_secret).with_request_timeout(CALL_TIMEOUT),
                dispatches: AgentDispatchClient::with_api_key(url, api_key, api_secret)
                    .with_request_timeout(CALL_TIMEOUT),
                public_url: public_url.to_owned(),
                api_key: api_key.to_owned(),
                api_secret: api_secret.to_owned(),
            }),
        }
    }

    /// The address that participants are told.
    pub fn public_url(&self) -> &str {
        &self.inner.public_url
    }

    /// Makes sure that a room exists and stays `open_for` whether or not anybody is in it.
    ///
    /// # Errors
    /// LiveKit is away or refuses.
    pub async fn ensure_room(
        &self,
        name: &str,
        capacity: u32,
        open_for: Duration,
    ) -> Result<(), LiveKitError> {
        let seconds = u32::try_from(open_for.as_secs()).unwrap_or(u32::MAX);
        let options = CreateRoomOptions {
            empty_timeout: seconds,
            departure_timeout: seconds,
            max_participants: capacity.saturating_add(AGENT_SEATS),
            ..CreateRoomOptions::default()
        };
        self.inner.rooms.create_room(name, options).await?;
        Ok(())
    }

    /// Asks for one agent.
    ///
    /// # Errors
    /// LiveKit is away or refuses.
    pub async fn dispatch(&self, room: &str, metadata: DispatchMetadata) -> Result<(), LiveKitError> {
        let request = proto::CreateAgentDispatchRequest {
            agent_name: AGENT_NAME.to_owned(),
            room: room.to_owned(),
            metadata: serde_json::to_string(&metadata).unwrap_or_default(),
            ..Default::default()
        };
        self.inner.dispatches.create_dispatch(request).await?;
        Ok(())
    }

    /// Whether LiveKit has this dispatch already.
    ///
    /// # Errors
    /// LiveKit is away or refuses.
    pub async fn is_dispatched(&self, room: &str, metadata: DispatchMetadata) -> Result<bool, LiveKitError> {
        let dispatches = self.inner.dispatches.list_dispatch(room).await?;
        Ok(dispatches.iter().any(|dispatch| is_of(dispatch, metadata)))
    }

    /// Whether a worker has taken this dispatch and has not said that it is done with it. Of a room that is gone, and its
    /// dispatches with it, nobody has.
    ///
    /// # Errors
    /// LiveKit is away or refuses.
    pub async fn is_taken(&self, room: &str, metadata: DispatchMetadata) -> Result<bool, LiveKitError> {
        let listed = self.inner.dispatches.list_dispatch(room).await;
        match listed.map_err(LiveKitError::from) {
            Ok(dispatches) => Ok(dispatches
                .iter()
                .any(|dispatch| is_of(dispatch, metadata) && has_worker(dispatch))),
            Err(LiveKitError::Refused { code }) if code == ServerErrorCode::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes a room and sends everybody out. One that is closed already is fine.
    ///
    /// # Errors
    /// LiveKit is away or refuses.
    pub async fn close_room(&self, name: &str) -> Result<(), LiveKitError> {
        match self
            .inner
            .rooms
            .delete_room(name)
            .await
            .map_err(LiveKitError::from)
        {
            Err(LiveKitError::Refused { code }) if code == ServerErrorCode::NOT_FOUND => Ok(()),
            other => other,
        }
    }

    /// Proves that the server answers and knows our key.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), LiveKitError> {
        self.inner
            .rooms
            .list_rooms(vec!["rapporteur-readiness".to_owned()])
            .await?;
        Ok(())
    }

    /// A token with which one participant may enter one room until `expires_at`.
    ///
    /// # Errors
    /// The configured key and secret cannot sign.
    pub fn join_token(
        &self,
        room: &str,
        identity: &str,
        name: &str,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<JoinToken, LiveKitError> {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_publish: Some(true),
            can_subscribe: Some(true),
            can_publish_data: Some(true),
            can_update_own_metadata: Some(false),
            ..VideoGrants::default()
        };
        let ttl = (expires_at - now).to_std().unwrap_or_default();
        let token = AccessToken::with_api_key(&self.inner.api_key, &self.inner.api_secret)
            .with_identity(identity)
            .with_name(name)
            .with_grants(grants)
            .with_ttl(ttl)
            .to_jwt()?;
        Ok(JoinToken { token, expires_at })
    }

    /// Checks the webhooks that LiveKit signs with our key.
    pub fn webhooks(&self) -> WebhookReceiver {
        WebhookReceiver::new(TokenVerifier::with_api_key(
            &self.inner.api_key,
            &self.inner.api_secret,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-secret-for-tests-of-more-than-32-characters";

    #[test]
    fn a_join_token_opens_exactly_one_room_for_one_identity() {
        let livekit = LiveKit::new("ws://127.0.0.1:1", "wss://meet.example", "key", SECRET);
        let now = Utc::now();
        let until = now + chrono::TimeDelta::hours(2);
        let token = livekit
            .join_token("rapporteur-1", "p-1", "Ann", now, until)
            .unwrap();
        let claims = TokenVerifier::with_api_key("key", SECRET)
            .verify(&token.token)
            .unwrap();
        assert_eq!((claims.sub.as_str(), claims.name.as_str()), ("p-1", "Ann"));
        assert_eq!(claims.video.room, "rapporteur-1");
        assert!(claims.video.room_join && !claims.video.room_admin && !claims.video.room_create);
        assert!((claims.exp as i64 - until.timestamp()).abs() <= 2);
        assert!(
            TokenVerifier::with_api_key("key", &SECRET.to_uppercase())
                .verify(&token.token)
                .is_err()
        );
    }
}
