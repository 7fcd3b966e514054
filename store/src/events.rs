//! What happened in and around a room, in order.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Result, Store, fence, lock_room, storable, storable_json};

/// One event of a room.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct RoomEvent {
    /// Grows in the order in which a room's events became visible: a reader that goes on after the last one misses none.
    pub id: i64,
    /// The agent session it belongs to, if any.
    pub epoch: Option<i64>,
    /// `room_scheduled`, `agent_joined`, `participant_left`, ...
    pub kind: String,
    /// Details by kind.
    pub data: Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// Writes an event. The caller holds the room's lock.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: Option<i64>,
    kind: &str,
    data: Value,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO room_events (organisation_id, room_id, epoch, kind, data) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(organisation)
    .bind(room)
    .bind(epoch)
    .bind(storable(kind))
    .bind(storable_json(data))
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Writes an event. With an epoch it is a session's own and is fenced.
    ///
    /// # Errors
    /// A newer epoch was handed out, there is no such room, or the database is away.
    pub async fn record_event(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: Option<i64>,
        kind: &str,
        data: Value,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        match epoch {
            Some(epoch) => fence(&mut transaction, organisation, room, epoch).await?,
            None => {
                lock_room(&mut transaction, organisation, room).await?;
            }
        }
        insert(&mut transaction, organisation, room, epoch, kind, data).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Events after an id (0 for all), in order, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn events(
        &self,
        organisation: Uuid,
        room: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RoomEvent>> {
        Ok(sqlx::query_as(
            "SELECT id, epoch, kind, data, at FROM room_events
             WHERE organisation_id = $1 AND room_id = $2 AND id > $3 ORDER BY id LIMIT $4",
        )
        .bind(organisation)
        .bind(room)
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
