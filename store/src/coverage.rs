//! The coverage ledger: what became of every stretch of detected speech, and when open microphones were not heard. A
//! stretch is final in the transaction that stores its segment, so a crash never makes it both transcribed and a gap.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::segments::NewSegment;
use crate::{Result, Store, fence, storable};

/// A session that is lost had heard people until its last renewal; that moment is taken this much earlier, because what was
/// said just before it may not be written yet. A gap is shown a second too long rather than a word too short.
const SIGN_OF_LIFE_MARGIN: Duration = Duration::from_secs(1);

/// What became of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CoverageState {
    /// It is being said.
    Open,
    /// It was said and is being recognised or stored.
    Pending,
    /// The segment of the same id is its text.
    Transcribed,
    /// It was recognised, and there were no words in it.
    Empty,
    /// The speaker has not agreed to be recognised.
    Declined,
    /// It is not in the transcript: see the reason.
    Gap,
}

/// A stretch of a track.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stretch {
    /// The segment's id, where it is transcribed.
    pub id: Uuid,
    /// The agent session that wrote it.
    pub epoch: i64,
    /// Whose microphone it is.
    pub identity: String,
    /// Their name then.
    pub speaker_name: String,
    /// The LiveKit track.
    pub track_id: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock.
    pub end_ms: i64,
    /// What became of it.
    pub state: CoverageState,
    /// Of a gap: `recogniser_failed`, `overload`, `outbox_full`, `connection_lost`, `segment_refused`, `agent_lost`,
    /// `no_agent`. Else empty.
    pub reason: String,
    /// Whether it was a gap before.
    pub late: bool,
}

/// A stretch on its way into the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStretch {
    /// Made by the agent before the first attempt. Writing the same id again moves the stretch on, never back.
    pub id: Uuid,
    /// Whose microphone it is.
    pub identity: String,
    /// Their name.
    pub speaker_name: String,
    /// The LiveKit track.
    pub track_id: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock, not before `start_ms`.
    pub end_ms: i64,
    /// What became of it so far. Transcribed stretches come with their segments.
    pub state: CoverageState,
    /// Of a gap, and only of one.
    pub reason: String,
}

/// What a session says of a microphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMicrophone {
    /// The LiveKit track.
    pub track_id: String,
    /// Whose it is.
    pub identity: String,
    /// Their name.
    pub speaker_name: String,
    /// How it is.
    pub state: MicrophoneState,
}

/// How a microphone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicrophoneState {
    /// Open and heard.
    Heard,
    /// Open, but not heard any more since then: the session ends.
    HeardUntil(i64),
    /// Muted or gone.
    Closed,
}

/// Writes a segment's stretch: transcribed, whatever it was before. What overlaps it and says "not heard" gives way. The
/// caller holds the room's lock. True when the stretch had been a gap.
pub(crate) async fn transcribed(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    segment: &NewSegment,
) -> Result<bool> {
    let was_gap: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM coverage WHERE id = $1 AND room_id = $2 AND state = 'gap')",
    )
    .bind(segment.id)
    .bind(room)
    .fetch_one(&mut *connection)
    .await?;
    let late = segment.late || was_gap;
    if late {
        carve(connection, room, segment).await?;
    }
    sqlx::query(
        "INSERT INTO coverage (id, organisation_id, room_id, epoch, identity, speaker_name, track_id, start_ms, end_ms,
                               state, late)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'transcribed', $10)
         ON CONFLICT (id) DO UPDATE SET start_ms = $8, end_ms = $9, state = 'transcribed', reason = '', late = $10,
                                        updated_at = now()",
    )
    .bind(segment.id)
    .bind(organisation)
    .bind(room)
    .bind(epoch)
    .bind(storable(&segment.identity))
    .bind(storable(&segment.speaker_name))
    .bind(storable(&segment.track_id))
    .bind(segment.heard_start_ms)
    .bind(segment.heard_end_ms)
    .bind(late)
    .execute(connection)
    .await?;
    Ok(late)
}

/// Takes a late segment's stretch out of the gaps that were written for want of it.
async fn carve(connection: &mut PgConnection, room: Uuid, segment: &NewSegment) -> Result<()> {
    // What is left behind the segment becomes a row of its own, what is left before it stays in its row.
    sqlx::query(
        "WITH torn AS (
             SELECT * FROM coverage WHERE room_id = $1 AND track_id = $2 AND id <> $3 AND state = 'gap'
                AND start_ms < $5 AND end_ms > $4
         ), behind AS (
             INSERT INTO coverage (id, organisation_id, room_id, epoch, identity, speaker_name, track_id, start_ms, end_ms,
                                   state, reason)
             SELECT gen_random_uuid(), organisation_id, room_id, epoch, identity, speaker_name, track_id, $5, end_ms,
                    state, reason
             FROM torn WHERE start_ms < $4 AND end_ms > $5
         )
         UPDATE coverage c SET start_ms = CASE WHEN c.start_ms < $4 THEN c.start_ms ELSE LEAST($5, c.end_ms) END,
                               end_ms = CASE WHEN c.start_ms < $4 THEN $4 ELSE c.end_ms END, updated_at = now()
         FROM torn WHERE c.id = torn.id",
    )
    .bind(room)
    .bind(storable(&segment.track_id))
    .bind(segment.id)
    .bind(segment.heard_start_ms)
    .bind(segment.heard_end_ms)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM coverage WHERE room_id = $1 AND track_id = $2 AND state = 'gap' AND start_ms = end_ms AND id <> $3",
    )
    .bind(room)
    .bind(storable(&segment.track_id))
    .bind(segment.id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a session that was replaced may still hand in a segment: it held the room, the words were over before anybody
/// after it joined, and nobody else accounts for them as anything but a gap. The caller holds the room's lock, so neither
/// can change before the segment is in.
pub(crate) async fn admits_late(
    connection: &mut PgConnection,
    room: Uuid,
    epoch: i64,
    segment: &NewSegment,
) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM agent_sessions WHERE room_id = $1 AND epoch = $2 AND joined_at IS NOT NULL)
            AND NOT EXISTS (
                SELECT FROM agent_sessions s JOIN rooms r ON r.id = s.room_id
                WHERE s.room_id = $1 AND s.epoch > $2 AND s.joined_at IS NOT NULL
                  AND $6 > extract(epoch FROM s.joined_at - r.clock_origin) * 1000)
            AND NOT EXISTS (
                SELECT FROM coverage WHERE room_id = $1 AND track_id = $3 AND id <> $4 AND state <> 'gap'
                  AND start_ms < $6 AND end_ms > $5)
            AND NOT EXISTS (
                SELECT FROM coverage WHERE id = $4 AND (room_id <> $1 OR epoch <> $2 OR state IN ('empty', 'declined')))",
    )
    .bind(room)
    .bind(epoch)
    .bind(storable(&segment.track_id))
    .bind(segment.id)
    .bind(segment.heard_start_ms)
    .bind(segment.heard_end_ms)
    .fetch_one(connection)
    .await?)
}

/// A session's lease ran out: what it had heard and not stored is a gap. What was being said then was said at least until
/// its last sign of life. The caller holds the room's lock.
pub(crate) async fn session_lost(connection: &mut PgConnection, room: Uuid, epoch: i64) -> Result<()> {
    sqlx::query(
        "UPDATE coverage c SET state = 'gap', reason = 'agent_lost', updated_at = now(),
                end_ms = CASE c.state WHEN 'open' THEN GREATEST(c.end_ms, COALESCE(
                    (extract(epoch FROM s.renewed_at - r.clock_origin) * 1000)::bigint, 0)) ELSE c.end_ms END
         FROM agent_sessions s JOIN rooms r ON r.id = s.room_id
         WHERE c.room_id = $1 AND c.epoch = $2 AND c.state IN ('open', 'pending')
           AND s.room_id = $1 AND s.epoch = $2",
    )
    .bind(room)
    .bind(epoch)
    .execute(connection)
    .await?;
    Ok(())
}

/// Microphones that earlier sessions left open: nobody heard them until `to_ms`. The caller holds the room's lock.
pub(crate) async fn nobody_heard(
    connection: &mut PgConnection,
    room: Uuid,
    epoch: i64,
    to_ms: i64,
) -> Result<()> {
    sqlx::query(
        "WITH left_open AS (
             DELETE FROM open_microphones WHERE room_id = $1 AND epoch < $2 RETURNING *
         ), heard AS (
             SELECT m.*, GREATEST(0,
                    COALESCE(m.until_ms,
                        (extract(epoch FROM s.renewed_at - r.clock_origin - make_interval(secs => $4)) * 1000)::bigint, 0),
                    (SELECT max(c.end_ms) FROM coverage c WHERE c.room_id = $1 AND c.track_id = m.track_id)) AS from_ms
             FROM left_open m JOIN rooms r ON r.id = m.room_id
             JOIN agent_sessions s ON s.room_id = m.room_id AND s.epoch = m.epoch
         )
         INSERT INTO coverage (id, organisation_id, room_id, epoch, identity, speaker_name, track_id, start_ms, end_ms,
                               state, reason)
         SELECT gen_random_uuid(), organisation_id, room_id, $2, identity, speaker_name, track_id, from_ms, $3,
                'gap', 'no_agent'
         FROM heard WHERE from_ms < $3",
    )
    .bind(room)
    .bind(epoch)
    .bind(to_ms)
    .bind(SIGN_OF_LIFE_MARGIN.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(())
}

const COLUMNS: &str = "id, epoch, identity, speaker_name, track_id, start_ms, end_ms, state, reason, late";

/// What nobody heard before this session came.
pub(crate) async fn unheard(connection: &mut PgConnection, room: Uuid, epoch: i64) -> Result<Vec<Stretch>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM coverage WHERE room_id = $1 AND epoch = $2 AND reason = 'no_agent'"
    )))
    .bind(room)
    .bind(epoch)
    .fetch_all(connection)
    .await?)
}

impl Store {
    /// Writes stretches and microphones of a session, all or nothing. A stretch moves from open to pending to what became
    /// of it, and a gap may grow; nothing goes back.
    ///
    /// # Errors
    /// A newer epoch was handed out, the times are not in order, there is no such room there, or the database is away.
    pub async fn record_coverage(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        stretches: &[NewStretch],
        microphones: &[NewMicrophone],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        for stretch in stretches {
            sqlx::query(
                "INSERT INTO coverage AS c (id, organisation_id, room_id, epoch, identity, speaker_name, track_id,
                                            start_ms, end_ms, state, reason)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 ON CONFLICT (id) DO UPDATE SET end_ms = $9, state = $10, reason = $11, updated_at = now()
                 WHERE c.room_id = $3 AND (c.state IN ('open', 'pending') AND ($10 <> 'open' OR c.state = 'open')
                    OR c.state = 'declined' AND $10 = 'declined' AND c.epoch = $4 AND c.end_ms <= $9
                    OR c.state = 'gap' AND $10 IN ('gap', 'empty') AND c.epoch = $4 AND c.end_ms <= $9)",
            )
            .bind(stretch.id)
            .bind(organisation)
            .bind(room)
            .bind(epoch)
            .bind(storable(&stretch.identity))
            .bind(storable(&stretch.speaker_name))
            .bind(storable(&stretch.track_id))
            .bind(stretch.start_ms)
            .bind(stretch.end_ms)
            .bind(stretch.state)
            .bind(storable(&stretch.reason))
            .execute(&mut *transaction)
            .await?;
        }
        for microphone in microphones {
            record_microphone(&mut transaction, organisation, room, epoch, microphone).await?;
        }
        // The others change nothing that a viewer sees, or come with a segment.
        if stretches
            .iter()
            .any(|stretch| stretch.state >= CoverageState::Declined)
        {
            crate::captions::notify_record(&mut transaction, room).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The ledger of a room in the order of the meeting, at most `limit` stretches after `skip` of them.
    ///
    /// # Errors
    /// The database is away.
    pub async fn coverage(
        &self,
        organisation: Uuid,
        room: Uuid,
        skip: i64,
        limit: i64,
    ) -> Result<Vec<Stretch>> {
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM coverage WHERE organisation_id = $1 AND room_id = $2
             ORDER BY start_ms, id OFFSET $3 LIMIT $4"
        )))
        .bind(organisation)
        .bind(room)
        .bind(skip)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// What is not in the transcript: gaps and what was declined, the newest `limit` of them in the order of the meeting.
    ///
    /// # Errors
    /// The database is away.
    pub async fn missing(&self, organisation: Uuid, room: Uuid, limit: i64) -> Result<Vec<Stretch>> {
        let mut missing: Vec<Stretch> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM coverage WHERE organisation_id = $1 AND room_id = $2 AND state IN ('gap', 'declined')
             ORDER BY start_ms DESC, id LIMIT $3"
        )))
        .bind(organisation)
        .bind(room)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        missing.reverse();
        Ok(missing)
    }

    /// The sums of a room's ledger by track, state and reason.
    ///
    /// # Errors
    /// The database is away.
    pub async fn coverage_totals(&self, organisation: Uuid, room: Uuid) -> Result<Vec<CoverageTotal>> {
        Ok(sqlx::query_as(
            "SELECT track_id, identity, max(speaker_name) AS speaker_name, state, reason, late,
                    count(*) AS stretches, sum(end_ms - start_ms)::bigint AS total_ms
             FROM coverage WHERE organisation_id = $1 AND room_id = $2
             GROUP BY track_id, identity, state, reason, late ORDER BY track_id, identity, state, reason, late",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }
}

/// The share of what was said that is in the transcript, 0 to 1: what was recognised, noise included, against that and the
/// gaps. What was declined is neither. `None` before anybody spoke.
pub fn share_covered(totals: &[CoverageTotal]) -> Option<f64> {
    let sum = |states: &[CoverageState]| -> i64 {
        let of_state = totals.iter().filter(|total| states.contains(&total.state));
        of_state.map(|total| total.total_ms).sum()
    };
    let covered = sum(&[CoverageState::Transcribed, CoverageState::Empty]);
    let all = covered + sum(&[CoverageState::Gap]);
    (all > 0).then(|| covered as f64 / all as f64)
}

/// A sum over the stretches of a track.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CoverageTotal {
    /// The LiveKit track.
    pub track_id: String,
    /// Whose microphone it is.
    pub identity: String,
    /// Their name.
    pub speaker_name: String,
    /// What became of the stretches.
    pub state: CoverageState,
    /// Of gaps.
    pub reason: String,
    /// Whether they had been gaps.
    pub late: bool,
    /// How many.
    pub stretches: i64,
    /// How long together.
    pub total_ms: i64,
}

async fn record_microphone(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    microphone: &NewMicrophone,
) -> Result<()> {
    let until_ms = match microphone.state {
        MicrophoneState::Heard => None,
        MicrophoneState::HeardUntil(until_ms) => Some(until_ms),
        MicrophoneState::Closed => {
            sqlx::query("DELETE FROM open_microphones WHERE room_id = $1 AND track_id = $2")
                .bind(room)
                .bind(storable(&microphone.track_id))
                .execute(connection)
                .await?;
            return Ok(());
        }
    };
    sqlx::query(
        "INSERT INTO open_microphones (organisation_id, room_id, track_id, epoch, identity, speaker_name, until_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (room_id, track_id) DO UPDATE SET epoch = $4, until_ms = $7",
    )
    .bind(organisation)
    .bind(room)
    .bind(storable(&microphone.track_id))
    .bind(epoch)
    .bind(storable(&microphone.identity))
    .bind(storable(&microphone.speaker_name))
    .bind(until_ms)
    .execute(connection)
    .await?;
    Ok(())
}
