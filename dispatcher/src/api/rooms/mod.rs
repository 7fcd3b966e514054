//! Rooms: scheduled meetings, and what they leave behind.

pub mod answers;
pub mod cancel;
pub mod change;
pub mod corrections;
pub mod coverage;
pub mod create;
pub mod events;
pub mod export;
pub mod links;
pub mod list;
pub mod read;
pub mod sessions;
pub mod transcript;
pub mod usage;
pub mod voices;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomStatus {
    /// Its agent has not been there yet.
    Scheduled,
    /// An agent has taken it.
    Live,
    /// It is over.
    Ended,
    /// It was called off.
    Cancelled,
}

impl From<store::RoomStatus> for RoomStatus {
    fn from(status: store::RoomStatus) -> Self {
        match status {
            store::RoomStatus::Scheduled => Self::Scheduled,
            store::RoomStatus::Live => Self::Live,
            store::RoomStatus::Ended => Self::Ended,
            store::RoomStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Who may be recognised in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentPolicy {
    /// Everybody who has not declined.
    #[default]
    Assumed,
    /// Nobody who has not agreed.
    Required,
}

impl From<ConsentPolicy> for store::ConsentPolicy {
    fn from(policy: ConsentPolicy) -> Self {
        match policy {
            ConsentPolicy::Assumed => Self::Assumed,
            ConsentPolicy::Required => Self::Required,
        }
    }
}

impl From<store::ConsentPolicy> for ConsentPolicy {
    fn from(policy: store::ConsentPolicy) -> Self {
        match policy {
            store::ConsentPolicy::Assumed => Self::Assumed,
            store::ConsentPolicy::Required => Self::Required,
        }
    }
}

/// Whether people who share a microphone are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoicePolicy {
    /// Once a second voice is heard; until then the agent only listens for one now and then.
    #[default]
    Detect,
    /// From the first word on.
    Several,
    /// Nobody is.
    One,
}

impl From<VoicePolicy> for store::VoicePolicy {
    fn from(policy: VoicePolicy) -> Self {
        match policy {
            VoicePolicy::Detect => Self::Detect,
            VoicePolicy::Several => Self::Several,
            VoicePolicy::One => Self::One,
        }
    }
}

impl From<store::VoicePolicy> for VoicePolicy {
    fn from(policy: store::VoicePolicy) -> Self {
        match policy {
            store::VoicePolicy::Detect => Self::Detect,
            store::VoicePolicy::Several => Self::Several,
            store::VoicePolicy::One => Self::One,
        }
    }
}

/// A scheduled meeting.
#[derive(Debug, Serialize, ToSchema)]
pub struct Room {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub organisation_id: Uuid,
    /// What it is about.
    pub title: String,
    /// The name of the LiveKit room.
    pub livekit_room: String,
    /// Where it stands.
    pub status: RoomStatus,
    /// When it begins; the agent is there a little earlier.
    pub starts_at: DateTime<Utc>,
    /// When it is over at the latest.
    pub ends_at: DateTime<Utc>,
    /// How many people may be invited.
    pub capacity: i32,
    /// For the assistant in this room.
    pub instructions: String,
    /// Its recognisers, the preferred one first; null: those of the organisation.
    #[schema(value_type = Option<Vec<super::recognisers::RecogniserKind>>)]
    pub recognisers: Option<Vec<String>>,
    /// Who may be recognised.
    pub consent: ConsentPolicy,
    /// Whether people who share a microphone are told apart.
    pub voices: VoicePolicy,
    /// Zero of the meeting clock, once an agent has been there.
    pub clock_origin: Option<DateTime<Utc>>,
    /// The sequence number of the last segment of the transcript; 0 before the first.
    pub last_sequence: i64,
    /// When it was scheduled.
    pub created_at: DateTime<Utc>,
}

impl From<store::Room> for Room {
    fn from(room: store::Room) -> Self {
        Self {
            id: room.id,
            organisation_id: room.organisation_id,
            title: room.title,
            livekit_room: room.livekit_room,
            status: room.status.into(),
            starts_at: room.starts_at,
            ends_at: room.ends_at,
            capacity: room.capacity,
            instructions: room.instructions,
            recognisers: room.recognisers,
            consent: room.consent.into(),
            voices: room.voices.into(),
            clock_origin: room.clock_origin,
            last_sequence: room.last_sequence,
            created_at: room.created_at,
        }
    }
}
