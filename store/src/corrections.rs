//! What people correct in a transcript: an overlay with author and time. Nothing that was recognised is changed.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use crate::changes::{self, RoomChange};
use crate::segments::{Segment, Word, storable_words};
use crate::{Result, Store, StoreError, captions, events, lock_room, storable};

/// Of one segment; whoever needs more is a program.
pub const CORRECTIONS_MAX: i64 = 200;

/// A correction on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCorrection {
    /// What was said, at most 4000 characters; empty if nothing was, none if what was recognised is right after all.
    pub text: Option<String>,
    /// The words of `text` with their times.
    pub words: Vec<Word>,
    /// What the correction brought in that a recogniser should know.
    pub terms: Vec<String>,
    /// Who says so, 1 to 100 characters.
    pub author: String,
    /// The revision of the segment that the author saw, if it matters that nobody was quicker.
    pub seen: Option<i64>,
}

/// A correction as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Correction {
    /// Grows in the order in which a room's corrections were made.
    pub id: i64,
    /// What was said; none if what was recognised is right after all.
    pub text: Option<String>,
    /// Who says so.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Corrects a segment and returns its new revision.
    ///
    /// # Errors
    /// There is no such segment there, somebody was quicker than `seen`, it was corrected [`CORRECTIONS_MAX`] times, a value is
    /// outside its limit, or the database is away.
    pub async fn correct_segment(
        &self,
        organisation: Uuid,
        room: Uuid,
        segment: Uuid,
        new: &NewCorrection,
    ) -> Result<i64> {
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, room).await?;
        let (sequence, revision, count): (i64, i64, i64) = sqlx::query_as(
            "SELECT sequence, revision, (SELECT count(*) FROM corrections WHERE segment_id = $3)
             FROM transcript WHERE organisation_id = $1 AND room_id = $2 AND id = $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(segment)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::NotFound { what: "segment" })?;
        if new.seen.is_some_and(|seen| seen != revision) {
            return Err(StoreError::Conflict {
                what: "the segment was corrected meanwhile",
            });
        }
        if count >= CORRECTIONS_MAX {
            return Err(StoreError::Conflict {
                what: "the segment was corrected 200 times",
            });
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO corrections (organisation_id, room_id, segment_id, text, words, author, terms)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(organisation)
        .bind(room)
        .bind(segment)
        .bind(new.text.as_deref().map(storable))
        .bind(new.text.is_some().then(|| Json(storable_words(&new.words))))
        .bind(storable(&new.author))
        .bind(new.terms.iter().map(|term| storable(term)).collect::<Vec<_>>())
        .fetch_one(&mut *transaction)
        .await?;
        let data = json!({ "segment": segment, "sequence": sequence, "revision": id });
        events::insert(
            &mut transaction,
            organisation,
            room,
            None,
            "segment_corrected",
            data,
        )
        .await?;
        captions::notify_corrected(&mut transaction, room, sequence, segment).await?;
        changes::notify(&mut transaction, RoomChange::Corrected { room, segment }).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// All corrections of a segment, the oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn corrections(
        &self,
        organisation: Uuid,
        room: Uuid,
        segment: Uuid,
    ) -> Result<Vec<Correction>> {
        Ok(sqlx::query_as(
            "SELECT id, text, author, at FROM corrections
             WHERE organisation_id = $1 AND room_id = $2 AND segment_id = $3 ORDER BY id",
        )
        .bind(organisation)
        .bind(room)
        .bind(segment)
        .fetch_all(&self.pool)
        .await?)
    }

    /// One segment as it reads now.
    ///
    /// # Errors
    /// There is no such segment there, or the database is away.
    pub async fn segment(&self, organisation: Uuid, room: Uuid, segment: Uuid) -> Result<Segment> {
        sqlx::query_as(
            "SELECT transcript.* FROM transcript WHERE organisation_id = $1 AND room_id = $2 AND id = $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(segment)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(StoreError::NotFound { what: "segment" })
    }

    /// Segments up to `through_sequence` whose revision is newer than `after_revision`, in the order of their revisions, at
    /// most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn corrected_segments(
        &self,
        organisation: Uuid,
        room: Uuid,
        through_sequence: i64,
        after_revision: i64,
        limit: i64,
    ) -> Result<Vec<Segment>> {
        Ok(sqlx::query_as(
            "SELECT transcript.* FROM transcript
             WHERE organisation_id = $1 AND room_id = $2 AND sequence <= $3 AND revision > $4
               AND id IN (SELECT segment_id FROM corrections WHERE room_id = $2 AND id > $4)
             ORDER BY revision LIMIT $5",
        )
        .bind(organisation)
        .bind(room)
        .bind(through_sequence)
        .bind(after_revision)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
