//! The people invited to a room. The room's capacity is enforced here, under the room's lock.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Result, RoomStatus, Store, StoreError, storable};

/// What somebody is in a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ParticipantKind {
    /// The one the meeting is for.
    Client,
    /// The one who holds it.
    Professional,
    /// Rapporteur itself.
    Agent,
}

/// Somebody who may enter a room.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Participant {
    /// Its id.
    pub id: Uuid,
    /// Whose room it is.
    pub organisation_id: Uuid,
    /// The room.
    pub room_id: Uuid,
    /// The identity in LiveKit.
    pub identity: String,
    /// The name under the captions, 1 to 100 characters.
    pub name: String,
    /// What they are in the meeting.
    pub kind: ParticipantKind,
    /// When they were invited.
    pub created_at: DateTime<Utc>,
}

/// What is needed to invite somebody.
#[derive(Clone, Debug)]
pub struct NewParticipant {
    /// 1 to 100 characters.
    pub name: String,
    /// What they are in the meeting.
    pub kind: ParticipantKind,
}

impl Store {
    /// Invites somebody.
    ///
    /// # Errors
    /// The room is full, over or cancelled, does not exist there, the name is outside its limit, or the database is away.
    pub async fn add_participant(
        &self,
        organisation: Uuid,
        room: Uuid,
        new: &NewParticipant,
    ) -> Result<Participant> {
        let mut transaction = self.pool.begin().await?;
        let (capacity, status): (i32, RoomStatus) = sqlx::query_as(
            "SELECT capacity, status FROM rooms WHERE organisation_id = $1 AND id = $2 FOR NO KEY UPDATE",
        )
        .bind(organisation)
        .bind(room)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::NotFound { what: "room" })?;
        if matches!(status, RoomStatus::Ended | RoomStatus::Cancelled) {
            return Err(StoreError::Conflict {
                what: "the meeting is over or cancelled",
            });
        }
        let invited: i64 =
            sqlx::query_scalar("SELECT count(*) FROM participants WHERE room_id = $1 AND kind <> 'agent'")
                .bind(room)
                .fetch_one(&mut *transaction)
                .await?;
        if new.kind != ParticipantKind::Agent && invited >= i64::from(capacity) {
            return Err(StoreError::Invalid {
                field: "capacity",
                limit: format!("at most {capacity} participants"),
            });
        }
        let id = Uuid::now_v7();
        let participant = sqlx::query_as(
            "INSERT INTO participants (id, organisation_id, room_id, identity, name, kind)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
        )
        .bind(id)
        .bind(organisation)
        .bind(room)
        .bind(format!("p-{id}"))
        .bind(storable(&new.name))
        .bind(new.kind)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(participant)
    }

    /// Everybody invited to a room, in the order of invitation.
    ///
    /// # Errors
    /// The database is away.
    pub async fn participants(&self, organisation: Uuid, room: Uuid) -> Result<Vec<Participant>> {
        Ok(sqlx::query_as(
            "SELECT * FROM participants WHERE organisation_id = $1 AND room_id = $2 ORDER BY created_at, id",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }

    /// One invited person.
    ///
    /// # Errors
    /// There is none of that id in that room, or the database is away.
    pub async fn participant(&self, organisation: Uuid, room: Uuid, id: Uuid) -> Result<Participant> {
        sqlx::query_as("SELECT * FROM participants WHERE organisation_id = $1 AND room_id = $2 AND id = $3")
            .bind(organisation)
            .bind(room)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "participant" })
    }

    /// Who speaks under an identity in LiveKit, if it is somebody who was invited.
    ///
    /// # Errors
    /// The database is away.
    pub async fn participant_by_identity(
        &self,
        organisation: Uuid,
        room: Uuid,
        identity: &str,
    ) -> Result<Option<Participant>> {
        Ok(sqlx::query_as(
            "SELECT * FROM participants WHERE organisation_id = $1 AND room_id = $2 AND identity = $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .fetch_optional(&self.pool)
        .await?)
    }
}
