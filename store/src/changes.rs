//! What the agent in a room has to know at once though others write it: consent, corrections, and whose voice is
//! whose. Postgres notifications on one channel, which only point at rows.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::notices::{self, Notices};
use crate::{Result, Store};

const CHANNEL: &str = "room_changes";

/// What changed, and in which room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RoomChange {
    /// Somebody changed their mind about being recognised.
    Consents {
        /// The room.
        room: Uuid,
    },
    /// A segment was corrected.
    Corrected {
        /// The room.
        room: Uuid,
        /// The segment.
        segment: Uuid,
    },
    /// A voice got a name, or lost it; or voices are to be told apart otherwise.
    Voices {
        /// The room.
        room: Uuid,
    },
    /// The voices that an organisation keeps beyond a meeting changed.
    People {
        /// Whose they are.
        organisation: Uuid,
    },
    /// Changes may have been missed, in any room.
    Resynchronise,
}

impl RoomChange {
    /// Whether it may concern this room.
    pub fn concerns(&self, mine: Uuid) -> bool {
        match self {
            Self::Consents { room } | Self::Corrected { room, .. } | Self::Voices { room } => *room == mine,
            Self::People { .. } | Self::Resynchronise => true,
        }
    }
}

pub(crate) async fn notify(connection: &mut PgConnection, change: RoomChange) -> Result<()> {
    notices::send(connection, CHANNEL, &change).await
}

impl Store {
    /// Listens to changes in all rooms; one a process is enough.
    ///
    /// # Errors
    /// The database is away.
    pub async fn room_changes(&self) -> Result<RoomChanges> {
        Ok(RoomChanges {
            notices: Notices::open(self, CHANNEL).await?,
        })
    }
}

/// The changes of all rooms, in order.
#[derive(Debug)]
pub struct RoomChanges {
    notices: Notices,
}

impl RoomChanges {
    /// The next change. May be dropped and called again at any time.
    ///
    /// # Errors
    /// The database is away: call again after a pause.
    pub async fn next(&mut self) -> Result<RoomChange> {
        let payload = self.notices.next().await?;
        // What a newer version says is read from the tables.
        Ok(payload
            .and_then(|payload| serde_json::from_str(&payload).ok())
            .unwrap_or(RoomChange::Resynchronise))
    }
}
