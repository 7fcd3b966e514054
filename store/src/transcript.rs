//! The transcript as a whole, for exports. Sequence numbers follow the order in which finals were stored; people who talk
//! at the same time make it differ from the order in which they began to speak. The second one is read first, as numbers
//! alone; then the segments come page by page.

use uuid::Uuid;

use crate::{Result, Segment, Store};

impl Store {
    /// The sequence numbers of a room's segments in the order in which they began, at most `limit`. The order never
    /// changes, so the numbers are a snapshot of a meeting that still runs.
    ///
    /// # Errors
    /// The database is away.
    pub async fn segment_order(&self, organisation: Uuid, room: Uuid, limit: i64) -> Result<Vec<i64>> {
        Ok(sqlx::query_scalar(
            "SELECT sequence FROM segments WHERE organisation_id = $1 AND room_id = $2
             ORDER BY start_ms, sequence LIMIT $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The segments of these sequence numbers, in the order of the numbers given.
    ///
    /// # Errors
    /// The database is away.
    pub async fn segments_at(
        &self,
        organisation: Uuid,
        room: Uuid,
        sequences: &[i64],
    ) -> Result<Vec<Segment>> {
        Ok(sqlx::query_as(
            "SELECT transcript.* FROM unnest($3::bigint[]) WITH ORDINALITY AS asked (sequence, place) JOIN transcript USING (sequence)
             WHERE organisation_id = $1 AND room_id = $2 ORDER BY place",
        )
        .bind(organisation)
        .bind(room)
        .bind(sequences)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The names of those who spoke, whoever began first, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn speaker_names(&self, organisation: Uuid, room: Uuid, limit: i64) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(
            "SELECT speaker_name FROM segments WHERE organisation_id = $1 AND room_id = $2
             GROUP BY speaker_name ORDER BY min(start_ms), min(sequence) LIMIT $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
