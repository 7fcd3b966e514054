//! Who holds a room. A session is (room, epoch) with a lease that its agent renews; a newer epoch fences the older.
//! Postgres' clock is the only one that counts: no worker's clock is trusted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Result, RoomStatus, Store, StoreError};

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

/// A room that should have an agent now and has none alive, or whose agent has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueRoom {
    /// The room.
    pub room: Uuid,
    /// Whose it is.
    pub organisation: Uuid,
    /// The name of the LiveKit room.
    pub livekit_room: String,
    /// How many people may come.
    pub capacity: i32,
    /// When the meeting ends at the latest.
    pub ends_at: DateTime<Utc>,
    /// The newest epoch handed out; 0 before the first.
    pub epoch: i64,
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
}

/// How long a lease of `duration` is in Postgres' terms.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Store {
    /// Rooms that begin within `lead` or run now, and have no session alive; the earliest first, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due_rooms(&self, lead: Duration, limit: i64) -> Result<Vec<DueRoom>> {
        Ok(sqlx::query_as(
            "SELECT r.id AS room, r.organisation_id AS organisation, r.livekit_room, r.capacity, r.ends_at, r.epoch
             FROM rooms r
             WHERE r.status IN ('scheduled', 'live')
               AND r.starts_at - make_interval(secs => $1 / 1000.0) <= now() AND r.ends_at > now()
               AND NOT EXISTS (
                   SELECT FROM agent_sessions s
                   WHERE s.room_id = r.id AND s.status IN ('dispatched', 'running') AND s.lease_expires_at > now())
             ORDER BY r.starts_at, r.id LIMIT $2",
        )
        .bind(milliseconds(lead))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// When the reconciler has to look again at the latest, in milliseconds from now: the next room that comes within
    /// `lead`, the next lease that runs out, the next meeting that ends. `None` when nothing is ahead.
    ///
    /// # Errors
    /// The database is away.
    pub async fn next_change_ms(&self, lead: Duration) -> Result<Option<i64>> {
        let seconds: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM min(at) - now())::double precision FROM (
                 SELECT starts_at - make_interval(secs => $1 / 1000.0) AS at FROM rooms WHERE status = 'scheduled'
                 UNION ALL SELECT ends_at FROM rooms WHERE status IN ('scheduled', 'live')
                 UNION ALL SELECT lease_expires_at FROM agent_sessions WHERE status IN ('dispatched', 'running')
             ) AS changes WHERE at > now()",
        )
        .bind(milliseconds(lead))
        .fetch_one(&self.pool)
        .await?;
        Ok(seconds.map(|seconds| (seconds * 1000.0).ceil() as i64))
    }

    /// Rooms whose meeting is past its end and still open.
    ///
    /// # Errors
    /// The database is away.
    pub async fn rooms_past_end(&self, limit: i64) -> Result<Vec<DueRoom>> {
        Ok(sqlx::query_as(
            "SELECT id AS room, organisation_id AS organisation, livekit_room, capacity, ends_at, epoch
             FROM rooms WHERE status IN ('scheduled', 'live') AND ends_at <= now() ORDER BY ends_at LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

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
        let organisation: Option<Uuid> = sqlx::query_scalar(
            "UPDATE rooms SET epoch = epoch + 1, updated_at = now()
             WHERE id = $1 AND epoch = $2 AND status IN ('scheduled', 'live')
               AND NOT EXISTS (
                   SELECT FROM agent_sessions s
                   WHERE s.room_id = rooms.id AND s.status IN ('dispatched', 'running') AND s.lease_expires_at > now())
             RETURNING organisation_id",
        )
        .bind(room)
        .bind(expected_epoch)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(organisation) = organisation else {
            return Ok(None);
        };
        let epoch = expected_epoch + 1;
        let expired = sqlx::query(
            "UPDATE agent_sessions SET status = 'expired', ended_at = now(), end_reason = 'lease ran out'
             WHERE room_id = $1 AND status IN ('dispatched', 'running')",
        )
        .bind(room)
        .execute(&mut *transaction)
        .await?;
        if expired.rows_affected() > 0 {
            let data = serde_json::json!({"epoch": expected_epoch});
            crate::events::insert(
                &mut transaction,
                organisation,
                room,
                Some(expected_epoch),
                "lease_expired",
                data,
            )
            .await?;
        }
        sqlx::query(
            "INSERT INTO agent_sessions (id, organisation_id, room_id, epoch, status, lease_expires_at)
             VALUES ($1, $2, $3, $4, 'dispatched', now() + make_interval(secs => $5 / 1000.0))",
        )
        .bind(Uuid::now_v7())
        .bind(organisation)
        .bind(room)
        .bind(epoch)
        .bind(milliseconds(grace))
        .execute(&mut *transaction)
        .await?;
        let data = serde_json::json!({"epoch": epoch});
        crate::events::insert(
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

    /// Takes the room for exactly this epoch. The same worker may take it again (it lost the answer).
    ///
    /// # Errors
    /// A newer epoch was handed out, another worker holds this one, the room is over or cancelled, or the database is away.
    pub async fn take_lease(&self, room: Uuid, epoch: i64, worker: &str, lease: Duration) -> Result<Lease> {
        let mut transaction = self.pool.begin().await?;
        let (organisation, current, status): (Uuid, i64, RoomStatus) =
            sqlx::query_as("SELECT organisation_id, epoch, status FROM rooms WHERE id = $1 FOR UPDATE")
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
                 lease_expires_at = now() + make_interval(secs => $4 / 1000.0)
             FROM (SELECT id, joined_at IS NULL AS first FROM agent_sessions WHERE room_id = $1 AND epoch = $2) AS before
             WHERE s.id = before.id
               AND (s.status = 'dispatched' OR (s.status = 'running' AND s.worker = $3))
             RETURNING s.id, before.first",
        )
        .bind(room)
        .bind(epoch)
        .bind(worker)
        .bind(milliseconds(lease))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((session, first)) = taken else {
            return Err(StoreError::Conflict {
                what: "another worker holds this session, or it is over",
            });
        };
        let (clock_origin, meeting_ms): (DateTime<Utc>, f64) = sqlx::query_as(
            "UPDATE rooms SET status = 'live', clock_origin = COALESCE(clock_origin, now()), updated_at = now()
             WHERE id = $1
             RETURNING clock_origin, (extract(epoch FROM now() - clock_origin) * 1000)::double precision",
        )
        .bind(room)
        .fetch_one(&mut *transaction)
        .await?;
        if first {
            let data = serde_json::json!({"epoch": epoch, "worker": worker});
            crate::events::insert(
                &mut transaction,
                organisation,
                room,
                Some(epoch),
                "agent_joined",
                data,
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(Lease {
            session,
            clock_origin,
            meeting_ms: meeting_ms.max(0.0) as i64,
        })
    }

    /// Says that the agent is alive. A lease that ran out may still be renewed while no newer epoch exists: nobody else
    /// can have written.
    ///
    /// # Errors
    /// A newer epoch was handed out, the session is over, or the database is away.
    pub async fn renew_lease(&self, room: Uuid, epoch: i64, lease: Duration) -> Result<()> {
        let renewed = sqlx::query(
            "UPDATE agent_sessions SET lease_expires_at = now() + make_interval(secs => $3 / 1000.0)
             WHERE room_id = $1 AND epoch = $2 AND status = 'running'",
        )
        .bind(room)
        .bind(epoch)
        .bind(milliseconds(lease))
        .execute(&self.pool)
        .await?;
        if renewed.rows_affected() == 1 {
            return Ok(());
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

    /// Gives the room back. Releasing twice, or after having been fenced, changes nothing.
    ///
    /// # Errors
    /// The database is away.
    pub async fn release(&self, organisation: Uuid, room: Uuid, epoch: i64, reason: &str) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let released = sqlx::query(
            "UPDATE agent_sessions SET status = 'ended', ended_at = now(), end_reason = $4
             WHERE organisation_id = $1 AND room_id = $2 AND epoch = $3 AND status = 'running'",
        )
        .bind(organisation)
        .bind(room)
        .bind(epoch)
        .bind(reason)
        .execute(&mut *transaction)
        .await?;
        if released.rows_affected() == 1 {
            let data = serde_json::json!({"epoch": epoch, "reason": reason});
            crate::events::insert(
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
