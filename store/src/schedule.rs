//! What the reconciler looks at, and the calls that wake it. A call carries nothing: whoever is woken reads the tables.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::notices::Notices;
use crate::{Result, Store};

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
    /// An agent took the room and its lease ran out without being given back: it died, or could not reach the database.
    pub overdue: bool,
    /// So long ago the newest epoch was handed out, in milliseconds, if no agent has taken it.
    pub untaken_ms: Option<i64>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Rooms or agent sessions changed.
    Schedule,
    /// A document waits.
    Documents,
}

/// The wake-up calls of one topic.
#[derive(Debug)]
pub struct ScheduleFeed {
    notices: Notices,
}

impl Store {
    /// Rooms that begin within `lead` or run now, and have no session alive; the earliest first, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn due_rooms(&self, lead: Duration, limit: i64) -> Result<Vec<DueRoom>> {
        Ok(sqlx::query_as(
            "SELECT r.id AS room, r.organisation_id AS organisation, r.livekit_room, r.capacity, r.ends_at, r.epoch,
                    EXISTS (SELECT FROM agent_sessions s WHERE s.room_id = r.id AND s.status = 'running') AS overdue,
                    (SELECT (extract(epoch FROM now() - s.dispatched_at) * 1000)::bigint FROM agent_sessions s
                     WHERE s.room_id = r.id AND s.epoch = r.epoch AND s.status = 'dispatched') AS untaken_ms
             FROM rooms r
             WHERE r.status IN ('scheduled', 'live')
               AND r.starts_at - make_interval(secs => $1) <= now() AND r.ends_at > now()
               AND NOT EXISTS (
                   SELECT FROM agent_sessions s
                   WHERE s.room_id = r.id AND s.status IN ('dispatched', 'running') AND s.lease_expires_at > now())
             ORDER BY r.starts_at, r.id LIMIT $2",
        )
        .bind(lead.as_secs_f64())
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
                 SELECT starts_at - make_interval(secs => $1) AS at FROM rooms WHERE status = 'scheduled'
                 UNION ALL SELECT ends_at FROM rooms WHERE status IN ('scheduled', 'live')
                 UNION ALL SELECT lease_expires_at FROM agent_sessions WHERE status IN ('dispatched', 'running')
             ) AS changes WHERE at > now()",
        )
        .bind(lead.as_secs_f64())
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
            "SELECT id AS room, organisation_id AS organisation, livekit_room, capacity, ends_at, epoch, false AS overdue,
                    NULL::bigint AS untaken_ms
             FROM rooms WHERE status IN ('scheduled', 'live') AND ends_at <= now() ORDER BY ends_at LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Listens to a topic.
    ///
    /// # Errors
    /// The database is away.
    pub async fn wake_ups(&self, topic: Topic) -> Result<ScheduleFeed> {
        let channel = match topic {
            Topic::Schedule => "schedule",
            Topic::Documents => "documents",
        };
        Ok(ScheduleFeed {
            notices: Notices::open(self, channel).await?,
        })
    }
}

impl ScheduleFeed {
    /// Waits for the next call. A lost connection counts as a call, since calls may have been missed. May be dropped and
    /// called again at any time.
    ///
    /// # Errors
    /// The database is away: call again after a pause.
    pub async fn wait(&mut self) -> Result<()> {
        self.notices.next().await?;
        Ok(())
    }
}
