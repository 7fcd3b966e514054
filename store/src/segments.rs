//! The transcript: final segments with a gap-free sequence a room. **A final is here before anybody sees it.**

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{NewUsage, Result, Store, StoreError, Turn, coverage, lock_room, storable, usage};

/// One recognised word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As it is written, with its punctuation.
    pub text: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock.
    pub end_ms: i64,
    /// 0 to 1.
    pub confidence: f32,
}

/// A final segment as it reads now: corrected, if somebody has corrected it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Segment {
    /// The id given by the agent.
    pub id: Uuid,
    /// 1, 2, 3, ... in the room, without a gap.
    pub sequence: i64,
    /// The agent session that wrote it.
    pub epoch: i64,
    /// The speaker's identity in LiveKit.
    pub identity: String,
    /// The speaker's name then.
    pub speaker_name: String,
    /// The LiveKit track.
    pub track_id: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock.
    pub end_ms: i64,
    /// The words as one text.
    pub text: String,
    /// The words with their times.
    pub words: Json<Vec<Word>>,
    /// The recogniser.
    pub engine: String,
    /// 0 as it was recognised; grows with every correction.
    pub revision: i64,
    /// Whose correction `text` and `words` are, if they are one.
    pub corrected_by: Option<String>,
    /// What was recognised, if `text` is a correction.
    pub recognised_text: Option<String>,
    /// Whether its stretch had been a gap before.
    pub late: bool,
    /// Who of several people at the microphone speaks when, in order; none where nobody is told apart.
    pub turns: Option<Json<Vec<Turn>>>,
}

/// A final segment on its way into the record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSegment {
    /// Made by the agent before the first attempt: appending the same id again is one segment.
    pub id: Uuid,
    /// The speaker's identity in LiveKit.
    pub identity: String,
    /// The speaker's name.
    pub speaker_name: String,
    /// The LiveKit track.
    pub track_id: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock, not before `start_ms`.
    pub end_ms: i64,
    /// The words as one text.
    pub text: String,
    /// The words with their times.
    pub words: Vec<Word>,
    /// The recogniser.
    pub engine: String,
    /// Where the stretch of detected speech begins that this segment accounts for, on the meeting clock.
    pub heard_start_ms: i64,
    /// Where that stretch ends.
    pub heard_end_ms: i64,
    /// Whether it comes after its stretch had been given up: by the session itself, or because the session was replaced.
    pub late: bool,
    /// What it cost, which is in the usage if and only if the segment is in the transcript.
    pub usage: Vec<NewUsage>,
}

/// Words as they can be stored and read again. JSON has neither NaN nor infinity.
pub(crate) fn storable_words(words: &[Word]) -> Vec<Word> {
    let word = |word: &Word| Word {
        text: storable(&word.text),
        confidence: if word.confidence.is_finite() {
            word.confidence
        } else {
            0.0
        },
        ..word.clone()
    };
    words.iter().map(word).collect()
}

impl Store {
    /// Appends a final and returns its sequence number. One transaction takes the number under the room's lock, checks
    /// the epoch and inserts, so numbers have no gap and an old session cannot write. The same transaction settles the
    /// segment's stretch in the coverage ledger. A segment that was stored already (its answer got lost) returns its number
    /// again.
    ///
    /// A session that was replaced while the database could not be reached may hand in, marked late, what was over before
    /// its successor joined and what nobody else accounts for.
    ///
    /// # Errors
    /// A newer epoch was handed out, the times are not in order, there is no such room there, or the database is away.
    pub async fn append_segment(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        new: &NewSegment,
    ) -> Result<i64> {
        let mut transaction = self.pool.begin().await?;
        let current = lock_room(&mut transaction, organisation, room).await?;
        let stored: Option<i64> =
            sqlx::query_scalar("SELECT sequence FROM segments WHERE id = $1 AND room_id = $2")
                .bind(new.id)
                .bind(room)
                .fetch_optional(&mut *transaction)
                .await?;
        if let Some(sequence) = stored {
            return Ok(sequence);
        }
        if current != epoch
            && !(new.late && coverage::admits_late(&mut transaction, room, epoch, new).await?)
        {
            return Err(StoreError::Fenced { room, epoch, current });
        }
        let late = coverage::transcribed(&mut transaction, organisation, room, epoch, new).await?;
        let sequence: i64 = sqlx::query_scalar(
            "UPDATE rooms SET last_sequence = last_sequence + 1 WHERE id = $1 RETURNING last_sequence",
        )
        .bind(room)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO segments (id, organisation_id, room_id, sequence, epoch, identity, speaker_name, track_id,
                                   start_ms, end_ms, text, words, engine, late)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(new.id)
        .bind(organisation)
        .bind(room)
        .bind(sequence)
        .bind(epoch)
        .bind(storable(&new.identity))
        .bind(storable(&new.speaker_name))
        .bind(storable(&new.track_id))
        .bind(new.start_ms)
        .bind(new.end_ms)
        .bind(storable(&new.text))
        .bind(Json(storable_words(&new.words)))
        .bind(storable(&new.engine))
        .bind(late)
        .execute(&mut *transaction)
        .await?;
        usage::insert(&mut transaction, (organisation, room, epoch), &new.usage).await?;
        crate::captions::notify_final(&mut transaction, room, sequence, new.id).await?;
        transaction.commit().await?;
        Ok(sequence)
    }

    /// Segments after a sequence number (0 for all), in order, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn segments(
        &self,
        organisation: Uuid,
        room: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Segment>> {
        Ok(sqlx::query_as(
            "SELECT transcript.* FROM transcript WHERE organisation_id = $1 AND room_id = $2 AND sequence > $3 ORDER BY sequence LIMIT $4",
        )
        .bind(organisation)
        .bind(room)
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
