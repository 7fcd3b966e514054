//! Who holds a room. A session is (room, epoch) with a lease that its agent renews; a newer epoch fences the older.
//! Postgres' clock is the only one that counts: no worker's clock is trusted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Result, RoomStatus, Store, StoreError, Stretch, captions, coverage, events, fence, lock_room, storable,
};

/// Where an agent session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SessionStatus {
    /// LiveKit was asked for an agent; none has come yet.
    Dispatched,
    /// An agent holds the lease.
    Running,
    /// The agent gave the room back.
    Ended,
    /// The lease ran out, or nobody came in time.
    Expired,
}

impl SessionStatus {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatched => "dispatched",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Expired => "expired",
        }
    }
}

/// What a session under load leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Pressure {
    /// Nothing.
    None,
    /// Partials.
    NoPartials,
    /// Audio.
    NoAudio,
}

impl Pressure {
    /// The word in the API.
    pub fn left_out(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::NoPartials => "partials",
            Self::NoAudio => "audio",
        }
    }
}

/// One epoch of a room.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AgentSession {
    /// Its id.
    pub id: Uuid,
    /// 1 for the first agent of the room, 2 for the next.
    pub epoch: i64,
    /// Where it stands.
    pub status: SessionStatus,
    /// The worker that took it.
    pub worker: Option<String>,
    /// Until when it counts as alive.
    pub lease_expires_at: DateTime<Utc>,
    /// When LiveKit was asked.
    pub dispatched_at: DateTime<Utc>,
    /// When the agent took the lease.
    pub joined_at: Option<DateTime<Utc>>,
    /// When it was given back.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// A held room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The session's id.
    pub session: Uuid,
    /// Zero of the meeting clock.
    pub clock_origin: DateTime<Utc>,
    /// How far the meeting clock has come, in milliseconds, at the moment the lease was taken.
    pub meeting_ms: i64,
    /// Microphones that nobody heard between the session before and this one.
    pub unheard: Vec<Stretch>,
}

/// Closes a session whose lease ran out. The caller holds the room's and the session's lock.
async fn expire(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    session: Uuid,
) -> Result<()> {
    sqlx::query(
        "UPDATE agent_sessions SET status = 'expired', ended_at = now(), end_reason = 'lease ran out' WHERE id = $1",
    )
    .bind(session)
    .execute(&mut *connection)
    .await?;
    coverage::session_lost(connection, room, epoch).await?;
    events::insert(
        connection,
        organisation,
        room,
        Some(epoch),
        "lease_expired",
        json!({"epoch": epoch}),
    )
    .await
}

impl Store {
    /// Hands out the next epoch: closes the session that ran out, raises the room's epoch and makes the new session's
    /// row, all or nothing. `None` when somebody else was first or the room needs no agent any more.
    ///
    /// # Errors
    /// The database is away.
    pub async fn begin_dispatch(
        &self,
        room: Uuid,
        expected_epoch: i64,
        grace: Duration,
    ) -> Result<Option<i64>> {
        let mut transaction = self.pool.begin().await?;
        // The locks come first and the questions after them: a statement that waits for a lock still sees the other
        // rows as they were before. The room's lock keeps out other dispatchers and whoever takes the lease ...
        let organisation: Option<Uuid> = sqlx::query_scalar(
            "SELECT organisation_id FROM rooms
             WHERE id = $1 AND epoch = $2 AND status IN ('scheduled', 'live') AND ends_at > now()
             FOR NO KEY UPDATE",
        )
        .bind(room)
        .bind(expected_epoch)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(organisation) = organisation else {
            return Ok(None);
        };
        // ... and the session's lock keeps out its renewals.
        let open: Option<(Uuid, bool)> = sqlx::query_as(
            "SELECT id, lease_expires_at > clock_timestamp() FROM agent_sessions
             WHERE room_id = $1 AND epoch = $2 AND status IN ('dispatched', 'running') FOR UPDATE",
        )
        .bind(room)
        .bind(expected_epoch)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((session, alive)) = open {
            if alive {
                return Ok(None);
            }
            expire(&mut transaction, organisation, room, expected_epoch, session).await?;
        }
        let epoch = expected_epoch + 1;
        sqlx::query("UPDATE rooms SET epoch = $2, updated_at = now() WHERE id = $1")
            .bind(room)
            .bind(epoch)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO agent_sessions (id, organisation_id, room_id, epoch, status, lease_expires_at)
             VALUES ($1, $2, $3, $4, 'dispatched', clock_timestamp() + make_interval(secs => $5))",
        )
        .bind(Uuid::now_v7())
        .bind(organisation)
        .bind(room)
        .bind(epoch)
        .bind(grace.as_secs_f64())
        .execute(&mut *transaction)
        .await?;
        let data = json!({"epoch": epoch});
        events::insert(
            &mut transaction,
            organisation,
            room,
            Some(epoch),
            "agent_dispatched",
            data,
        )
        .await?;
        transaction.commit().await?;
        Ok(Some(epoch))
    }

    /// Waits `grace` from now for the agent of this epoch. False when it has taken the room, or a newer epoch exists.
    ///
    /// # Errors
    /// The database is away.
    pub async fn await_agent(&self, room: Uuid, epoch: i64, grace: Duration) -> Result<bool> {
        let waited_for = sqlx::query(
            "UPDATE agent_sessions SET lease_expires_at = clock_timestamp() + make_interval(secs => $3)
             WHERE room_id = $1 AND epoch = $2 AND status = 'dispatched'",
        )
        .bind(room)
        .bind(epoch)
        .bind(grace.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(waited_for.rows_affected() == 1)
    }

    /// Takes the room for exactly this epoch. The same worker may take it again (it lost the answer).
    ///
    /// # Errors
    /// A newer epoch was handed out, another worker holds this one, the room is over or cancelled, or the database is away.
    pub async fn take_lease(&self, room: Uuid, epoch: i64, worker: &str, lease: Duration) -> Result<Lease> {
        let mut transaction = self.pool.begin().await?;
        let (organisation, current, status): (Uuid, i64, RoomStatus) = sqlx::query_as(
            "SELECT organisation_id, epoch, status FROM rooms WHERE id = $1 FOR NO KEY UPDATE",
        )
        .bind(room)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::NotFound { what: "room" })?;
        if current != epoch {
            return Err(StoreError::Fenced { room, epoch, current });
        }
        if matches!(status, RoomStatus::Ended | RoomStatus::Cancelled) {
            return Err(StoreError::Conflict {
                what: "the meeting is over or cancelled",
            });
        }
        let taken: Option<(Uuid, bool)> = sqlx::query_as(
            "UPDATE agent_sessions s
             SET status = 'running', worker = $3, joined_at = COALESCE(s.joined_at, now()),
                 lease_expires_at = clock_timestamp() + make_interval(secs => $4), renewed_at = clock_timestamp()
             FROM (SELECT id, joined_at IS NULL AS first FROM agent_sessions WHERE room_id = $1 AND epoch = $2) AS before
             WHERE s.id = before.id
               AND (s.status = 'dispatched' OR (s.status = 'running' AND s.worker = $3))
             RETURNING s.id, before.first",
        )
        .bind(room)
        .bind(epoch)
        .bind(storable(worker))
        .bind(lease.as_secs_f64())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((session, first)) = taken else {
            return Err(StoreError::Conflict {
                what: "another worker holds this session, or it is over",
            });
        };
        let (clock_origin, meeting_ms): (DateTime<Utc>, f64) = sqlx::query_as(
            "UPDATE rooms SET status = 'live', clock_origin = COALESCE(clock_origin, clock_timestamp()), updated_at = now()
             WHERE id = $1
             RETURNING clock_origin, (extract(epoch FROM clock_timestamp() - clock_origin) * 1000)::double precision",
        )
        .bind(room)
        .fetch_one(&mut *transaction)
        .await?;
        let meeting_ms = meeting_ms.max(0.0) as i64;
        if first {
            coverage::nobody_heard(&mut transaction, room, epoch, meeting_ms).await?;
            let data = json!({"epoch": epoch, "worker": worker});
            events::insert(
                &mut transaction,
                organisation,
                room,
                Some(epoch),
                "agent_joined",
                data,
            )
            .await?;
        }
        let unheard = coverage::unheard(&mut transaction, room, epoch).await?;
        transaction.commit().await?;
        Ok(Lease {
            session,
            clock_origin,
            meeting_ms,
            unheard,
        })
    }

    /// Says that the agent is alive. A lease that ran out may still be renewed while no newer epoch exists: nobody else
    /// can have written.
    ///
    /// # Errors
    /// A newer epoch was handed out, the session is over, or the database is away. When the meeting is over or cancelled
    /// the lease is renewed all the same, so that the agent can finish its writing, and the answer is a conflict.
    pub async fn renew_lease(&self, room: Uuid, epoch: i64, lease: Duration) -> Result<()> {
        let renewed: Option<RoomStatus> = sqlx::query_scalar(
            "UPDATE agent_sessions s SET lease_expires_at = clock_timestamp() + make_interval(secs => $3),
                    renewed_at = clock_timestamp()
             FROM rooms r
             WHERE s.room_id = $1 AND s.epoch = $2 AND s.status = 'running' AND r.id = s.room_id
             RETURNING r.status",
        )
        .bind(room)
        .bind(epoch)
        .bind(lease.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        match renewed {
            Some(RoomStatus::Scheduled | RoomStatus::Live) => return Ok(()),
            Some(RoomStatus::Ended | RoomStatus::Cancelled) => {
                return Err(StoreError::Conflict {
                    what: "the meeting is over or cancelled",
                });
            }
            None => {}
        }
        let current: Option<i64> = sqlx::query_scalar("SELECT epoch FROM rooms WHERE id = $1")
            .bind(room)
            .fetch_optional(&self.pool)
            .await?;
        match current {
            Some(current) if current != epoch => Err(StoreError::Fenced { room, epoch, current }),
            Some(_) => Err(StoreError::Conflict {
                what: "the session is over",
            }),
            None => Err(StoreError::NotFound { what: "room" }),
        }
    }

    /// Says what a session under load leaves out; an event, and viewers are told.
    ///
    /// # Errors
    /// A newer epoch was handed out, there is no such room there, or the database is away.
    pub async fn record_pressure(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        pressure: Pressure,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        sqlx::query("UPDATE agent_sessions SET pressure = $3 WHERE room_id = $1 AND epoch = $2")
            .bind(room)
            .bind(epoch)
            .bind(pressure)
            .execute(&mut *transaction)
            .await?;
        let data = json!({ "left_out": pressure.left_out() });
        events::insert(
            &mut transaction,
            organisation,
            room,
            Some(epoch),
            "load_changed",
            data,
        )
        .await?;
        captions::notify_record(&mut transaction, room).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What the room's running session leaves out.
    ///
    /// # Errors
    /// The database is away.
    pub async fn pressure(&self, organisation: Uuid, room: Uuid) -> Result<Pressure> {
        let pressure = sqlx::query_scalar(
            "SELECT pressure FROM agent_sessions WHERE organisation_id = $1 AND room_id = $2 AND status = 'running'
             ORDER BY epoch DESC LIMIT 1",
        )
        .bind(organisation)
        .bind(room)
        .fetch_optional(&self.pool)
        .await?;
        Ok(pressure.unwrap_or(Pressure::None))
    }

    /// Gives the room back. Releasing twice, or after having been fenced, changes nothing.
    ///
    /// # Errors
    /// There is no such room there, or the database is away.
    pub async fn release(&self, organisation: Uuid, room: Uuid, epoch: i64, reason: &str) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, room).await?;
        let released = sqlx::query(
            "UPDATE agent_sessions SET status = 'ended', ended_at = now(), end_reason = $3
             WHERE room_id = $1 AND epoch = $2 AND status = 'running'",
        )
        .bind(room)
        .bind(epoch)
        .bind(storable(reason))
        .execute(&mut *transaction)
        .await?;
        if released.rows_affected() == 1 {
            let data = json!({"epoch": epoch, "reason": reason});
            events::insert(
                &mut transaction,
                organisation,
                room,
                Some(epoch),
                "agent_left",
                data,
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Closes sessions whose lease ran out in rooms that are over or cancelled, at most `limit`, and returns how many:
    /// no newer epoch will come to do it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn expire_sessions(&self, limit: i64) -> Result<u64> {
        let mut transaction = self.pool.begin().await?;
        let lapsed: Vec<(Uuid, Uuid, i64, Uuid)> = sqlx::query_as(
            "SELECT s.organisation_id, s.room_id, s.epoch, s.id FROM agent_sessions s JOIN rooms r ON r.id = s.room_id
             WHERE s.status IN ('dispatched', 'running') AND s.lease_expires_at <= now()
               AND r.status IN ('ended', 'cancelled')
             ORDER BY s.lease_expires_at LIMIT $1 FOR NO KEY UPDATE OF r, s SKIP LOCKED",
        )
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
        for (organisation, room, epoch, session) in &lapsed {
            expire(&mut transaction, *organisation, *room, *epoch, *session).await?;
            // Whoever was still there was not heard any more, until the planned end at the latest.
            let end_ms: Option<f64> = sqlx::query_scalar(
                "SELECT (extract(epoch FROM LEAST(ends_at, now()) - clock_origin) * 1000)::double precision
                 FROM rooms WHERE id = $1",
            )
            .bind(room)
            .fetch_one(&mut *transaction)
            .await?;
            let end_ms = end_ms.unwrap_or(0.0).max(0.0) as i64;
            coverage::nobody_heard(&mut transaction, *room, *epoch + 1, end_ms).await?;
        }
        transaction.commit().await?;
        Ok(lapsed.len() as u64)
    }

    /// Every session of a room, the oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn sessions(&self, organisation: Uuid, room: Uuid) -> Result<Vec<AgentSession>> {
        Ok(sqlx::query_as(
            "SELECT * FROM agent_sessions WHERE organisation_id = $1 AND room_id = $2 ORDER BY epoch",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }
}
