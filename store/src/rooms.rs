//! Rooms: scheduled meetings. A row is all that is needed for the agent to be there on time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::changes::{self, RoomChange};
use crate::{
    ConsentPolicy, Consents, Organisation, Result, Store, StoreError, VoicePolicy, lock_room, storable,
    voices,
};

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RoomStatus {
    /// Nobody has been there yet.
    Scheduled,
    /// An agent has taken it.
    Live,
    /// It is over.
    Ended,
    /// It was called off.
    Cancelled,
}

impl RoomStatus {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A scheduled meeting.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Room {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub organisation_id: Uuid,
    /// 1 to 200 characters.
    pub title: String,
    /// The name of the LiveKit room.
    pub livekit_room: String,
    /// For the assistant in this room, at most 8000 characters.
    pub instructions: String,
    /// Its recognisers, the preferred one first; `None`: those of the organisation.
    pub recognisers: Option<Vec<String>>,
    /// How many people may be invited, 2 to 500; the agent does not count.
    pub capacity: i32,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it is over at the latest.
    pub ends_at: DateTime<Utc>,
    /// Where it stands.
    pub status: RoomStatus,
    /// The newest epoch handed out; 0 before the first.
    pub epoch: i64,
    /// The sequence number of the last segment; 0 before the first.
    pub last_sequence: i64,
    /// Zero of the meeting clock; set when the first agent takes the room.
    pub clock_origin: Option<DateTime<Utc>>,
    /// Who may be recognised.
    pub consent: ConsentPolicy,
    /// Whether people who share a microphone are told apart.
    pub voices: VoicePolicy,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What is needed to schedule a room.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// 1 to 200 characters.
    pub title: String,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// After `starts_at`.
    pub ends_at: DateTime<Utc>,
    /// 2 to 500.
    pub capacity: i32,
    /// At most 8000 characters.
    pub instructions: String,
    /// 1 to 4 of `deepgram`, `openai`, `openai_realtime`, `whisper`; `None`: those of the organisation.
    pub recognisers: Option<Vec<String>>,
    /// Who may be recognised.
    pub consent: ConsentPolicy,
    /// Whether people who share a microphone are told apart.
    pub voices: VoicePolicy,
}

/// All that an agent needs to begin a session.
#[derive(Clone, Debug)]
pub struct RoomForAgent {
    /// The room.
    pub room: Room,
    /// Whose it is.
    pub organisation: Organisation,
    /// Who may be recognised.
    pub consents: Consents,
}

impl RoomForAgent {
    /// The room's recognisers, the preferred one first.
    pub fn recognisers(&self) -> &[String] {
        self.room
            .recognisers
            .as_deref()
            .unwrap_or(&self.organisation.recognisers)
    }
}

impl Store {
    /// Schedules a room; the reconciler is told.
    ///
    /// # Errors
    /// A value is outside its limit, there is no such organisation, or the database is away.
    pub async fn create_room(&self, organisation: Uuid, new: &NewRoom) -> Result<Room> {
        let id = Uuid::now_v7();
        let mut transaction = self.pool.begin().await?;
        let room: Room = sqlx::query_as(
            "INSERT INTO rooms (id, organisation_id, title, livekit_room, instructions, capacity, starts_at, ends_at, recognisers,
                consent, voices, status)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'scheduled') RETURNING *",
        )
        .bind(id)
        .bind(organisation)
        .bind(storable(&new.title))
        .bind(format!("rapporteur-{id}"))
        .bind(storable(&new.instructions))
        .bind(new.capacity)
        .bind(new.starts_at)
        .bind(new.ends_at)
        .bind(&new.recognisers)
        .bind(new.consent)
        .bind(new.voices)
        .fetch_one(&mut *transaction)
        .await?;
        crate::events::insert(
            &mut transaction,
            organisation,
            id,
            None,
            "room_scheduled",
            serde_json::json!({}),
        )
        .await?;
        transaction.commit().await?;
        Ok(room)
    }

    /// One room of an organisation.
    ///
    /// # Errors
    /// It does not exist there, or the database is away.
    pub async fn room(&self, organisation: Uuid, id: Uuid) -> Result<Room> {
        sqlx::query_as("SELECT * FROM rooms WHERE organisation_id = $1 AND id = $2")
            .bind(organisation)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "room" })
    }

    /// The newest rooms of an organisation, by start, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn rooms(&self, organisation: Uuid, limit: i64) -> Result<Vec<Room>> {
        Ok(sqlx::query_as(
            "SELECT * FROM rooms WHERE organisation_id = $1 ORDER BY starts_at DESC, id DESC LIMIT $2",
        )
        .bind(organisation)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Says whether people who share a microphone are told apart; an event, and the agent is told.
    ///
    /// # Errors
    /// It does not exist there, is over or called off, or the database is away.
    pub async fn set_voice_policy(&self, organisation: Uuid, id: Uuid, policy: VoicePolicy) -> Result<Room> {
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, id).await?;
        let room: Room = sqlx::query_as(
            "UPDATE rooms SET voices = $3, updated_at = now()
             WHERE organisation_id = $1 AND id = $2 AND status IN ('scheduled', 'live') RETURNING *",
        )
        .bind(organisation)
        .bind(id)
        .bind(policy)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::Conflict {
            what: "the meeting is over",
        })?;
        let data = serde_json::json!({ "voices": policy.as_str() });
        crate::events::insert(&mut transaction, organisation, id, None, "room_changed", data).await?;
        changes::notify(&mut transaction, RoomChange::Voices { room: id }).await?;
        transaction.commit().await?;
        Ok(room)
    }

    /// Calls a room off; what its voices sound like is forgotten. Cancelling twice is the same as once.
    ///
    /// # Errors
    /// It does not exist there, is over already, or the database is away.
    pub async fn cancel_room(&self, organisation: Uuid, id: Uuid) -> Result<Room> {
        let mut transaction = self.pool.begin().await?;
        let before: RoomStatus = sqlx::query_scalar(
            "SELECT status FROM rooms WHERE organisation_id = $1 AND id = $2 FOR NO KEY UPDATE",
        )
        .bind(organisation)
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::NotFound { what: "room" })?;
        if before == RoomStatus::Ended {
            return Err(StoreError::Conflict {
                what: "the meeting is over",
            });
        }
        let room = sqlx::query_as(
            "UPDATE rooms SET status = 'cancelled', updated_at = now() WHERE id = $1 RETURNING *",
        )
        .bind(id)
        .fetch_one(&mut *transaction)
        .await?;
        if before != RoomStatus::Cancelled {
            voices::forget_sounds(&mut transaction, organisation, id).await?;
            crate::events::insert(
                &mut transaction,
                organisation,
                id,
                None,
                "room_cancelled",
                serde_json::json!({}),
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(room)
    }

    /// The room of a dispatch. Without an organisation, because the dispatch itself names the room.
    ///
    /// # Errors
    /// It does not exist, a newer epoch was handed out, or the database is away.
    pub async fn room_for_agent(&self, id: Uuid, epoch: i64) -> Result<RoomForAgent> {
        let room: Room = sqlx::query_as("SELECT * FROM rooms WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "room" })?;
        if room.epoch != epoch {
            return Err(StoreError::Fenced {
                room: id,
                epoch,
                current: room.epoch,
            });
        }
        let organisation = self.organisation(room.organisation_id).await?;
        let consents = self.consents(room.organisation_id, id).await?;
        Ok(RoomForAgent {
            room,
            organisation,
            consents,
        })
    }

    /// The organisation of a LiveKit room and its id, for webhooks, which know only LiveKit's name.
    ///
    /// # Errors
    /// The database is away.
    pub async fn room_by_livekit_name(&self, livekit_room: &str) -> Result<Option<(Uuid, Uuid)>> {
        Ok(
            sqlx::query_as("SELECT organisation_id, id FROM rooms WHERE livekit_room = $1")
                .bind(livekit_room)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Marks a room as over; what its voices sound like is forgotten. Ending twice is the same as once; a cancelled room
    /// stays cancelled.
    ///
    /// # Errors
    /// The database is away.
    pub async fn end_room(&self, organisation: Uuid, id: Uuid) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let ended = sqlx::query(
            "UPDATE rooms SET status = 'ended', updated_at = now()
             WHERE organisation_id = $1 AND id = $2 AND status IN ('scheduled', 'live')",
        )
        .bind(organisation)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        if ended.rows_affected() == 1 {
            voices::forget_sounds(&mut transaction, organisation, id).await?;
            crate::events::insert(
                &mut transaction,
                organisation,
                id,
                None,
                "room_ended",
                serde_json::json!({}),
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
