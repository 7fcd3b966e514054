//! The people of a room.

pub mod consent;
pub mod create;
pub mod list;
pub mod review_link;
pub mod token;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What somebody is in a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantKind {
    /// The one the meeting is for.
    Client,
    /// The one who holds it.
    Professional,
    /// Rapporteur itself; nobody can be invited as one.
    Agent,
}

impl From<store::ParticipantKind> for ParticipantKind {
    fn from(kind: store::ParticipantKind) -> Self {
        match kind {
            store::ParticipantKind::Client => Self::Client,
            store::ParticipantKind::Professional => Self::Professional,
            store::ParticipantKind::Agent => Self::Agent,
        }
    }
}

/// Somebody who may enter the room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Participant {
    /// Its id.
    pub id: Uuid,
    /// The identity in LiveKit.
    pub identity: String,
    /// The name under the captions.
    pub name: String,
    /// What they are in the meeting.
    pub kind: ParticipantKind,
    /// When they were invited.
    pub created_at: DateTime<Utc>,
}

impl From<store::Participant> for Participant {
    fn from(participant: store::Participant) -> Self {
        let store::Participant {
            id,
            identity,
            name,
            kind,
            created_at,
            ..
        } = participant;
        Self {
            id,
            identity,
            name,
            kind: kind.into(),
            created_at,
        }
    }
}
