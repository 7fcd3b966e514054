//! What an agent found out about voices, written in one transaction.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Changed, HeardVoice, SOUND_DIMENSIONS, VoiceMerge, VoiceNews, VoiceTurn};
use crate::{Result, Store, StoreError, events, fence, storable};

impl Store {
    /// Writes down who speaks when, as far as a session knows. A turn that is there already is corrected; of a voice that is
    /// there already sound and length are renewed, its name stays, and so does its person. Viewers are told which part of
    /// whose speech reads differently. The same news again reads the same.
    ///
    /// # Errors
    /// A newer epoch was handed out, a value is outside its limit, there is no such room there, or the database is away.
    pub async fn record_voices(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        news: &VoiceNews,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        let mut changed = Changed::default();
        if !news.turns.is_empty() {
            write_turns(&mut transaction, organisation, room, epoch, &news.turns).await?;
        }
        for turn in &news.turns {
            changed.add(&turn.identity, turn.start_ms, turn.end_ms);
        }
        for voice in &news.voices {
            if write_voice(&mut transaction, organisation, room, voice).await? {
                changed.add(&voice.identity, 0, i64::MAX);
            }
        }
        for one in &news.merges {
            if let Some((from_ms, to_ms)) = merge(&mut transaction, organisation, room, epoch, one).await? {
                changed.add(&one.identity, from_ms, to_ms);
            }
        }
        changed.notify(&mut transaction, room).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn write_turns(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    turns: &[VoiceTurn],
) -> Result<()> {
    sqlx::query(
        "INSERT INTO voice_turns (organisation_id, room_id, epoch, identity, utterance, turn, start_ms, end_ms, label, overlapped)
         SELECT DISTINCT ON (identity, utterance, turn) $1, $2, $3, identity, utterance, turn, start_ms, end_ms, label, overlapped
         FROM unnest($4::text[], $5::bigint[], $6::integer[], $7::bigint[], $8::bigint[], $9::integer[], $10::boolean[])
              WITH ORDINALITY AS news (identity, utterance, turn, start_ms, end_ms, label, overlapped, place)
         ORDER BY identity, utterance, turn, place DESC
         ON CONFLICT (room_id, identity, epoch, utterance, turn) DO UPDATE
         SET start_ms = EXCLUDED.start_ms, end_ms = EXCLUDED.end_ms, label = EXCLUDED.label, overlapped = EXCLUDED.overlapped",
    )
    .bind(organisation)
    .bind(room)
    .bind(epoch)
    .bind(turns.iter().map(|turn| storable(&turn.identity)).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.utterance).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.turn).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.start_ms).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.end_ms).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.label).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.overlapped).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a voice and says whether it is another person's than before.
async fn write_voice(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    voice: &HeardVoice,
) -> Result<bool> {
    if voice.sound.len() != SOUND_DIMENSIONS || !voice.sound.iter().all(|number| number.is_finite()) {
        return Err(StoreError::Invalid {
            field: "sound",
            limit: format!("{SOUND_DIMENSIONS} finite numbers"),
        });
    }
    let identity = storable(&voice.identity);
    let before = sqlx::query_scalar::<_, Option<Uuid>>(
        "SELECT person_id FROM voices WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4",
    )
    .bind(organisation)
    .bind(room)
    .bind(&identity)
    .bind(voice.label)
    .fetch_optional(&mut *connection)
    .await?
    .flatten();
    // An agent that still drains a room which is over does not bring the sound back; a person may have been forgotten
    // meanwhile; and where a person took a name back, sounding like somebody gives none.
    let after: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO voices AS known (organisation_id, room_id, identity, label, heard_ms, sound, person_id)
         SELECT $1, $2, $3, $4, $5, CASE WHEN room.status IN ('scheduled', 'live') THEN $6::real[]::vector END,
                (SELECT id FROM people WHERE organisation_id = $1 AND id = $7 FOR KEY SHARE)
         FROM rooms room WHERE room.organisation_id = $1 AND room.id = $2
         ON CONFLICT (room_id, identity, label) DO UPDATE
         SET heard_ms = EXCLUDED.heard_ms, sound = EXCLUDED.sound, merged_into = NULL, updated_at = now(),
             person_id = COALESCE(known.person_id, CASE WHEN known.named_by IS NULL THEN EXCLUDED.person_id END)
         RETURNING person_id",
    )
    .bind(organisation)
    .bind(room)
    .bind(&identity)
    .bind(voice.label)
    .bind(voice.heard_ms)
    .bind(&voice.sound)
    .bind(voice.person)
    .fetch_one(connection)
    .await?;
    Ok(before != after)
}

/// Makes two labels one and returns the stretch that reads differently.
async fn merge(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    merge: &VoiceMerge,
) -> Result<Option<(i64, i64)>> {
    let VoiceMerge { from, into, .. } = *merge;
    let identity = storable(&merge.identity);
    let relabelled: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE voice_turns SET label = $5 WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4
         RETURNING start_ms, end_ms",
    )
    .bind(organisation)
    .bind(room)
    .bind(&identity)
    .bind(from)
    .bind(into)
    .fetch_all(&mut *connection)
    .await?;
    // A name given by a person beats whom a voice sounds like; of two names the one of the label that stays.
    let handed_on = sqlx::query(
        "UPDATE voices stays SET name = gone.name, named_by = gone.named_by, person_id = gone.person_id, updated_at = now()
         FROM voices gone
         WHERE stays.organisation_id = $1 AND stays.room_id = $2 AND stays.identity = $3 AND stays.label = $5
           AND gone.room_id = $2 AND gone.identity = $3 AND gone.label = $4 AND stays.name IS NULL
           AND (gone.name IS NOT NULL OR (gone.person_id IS NOT NULL AND stays.named_by IS NULL AND stays.person_id IS NULL))",
    )
    .bind(organisation)
    .bind(room)
    .bind(&identity)
    .bind(from)
    .bind(into)
    .execute(&mut *connection)
    .await?;
    let merged = sqlx::query(
        "UPDATE voices SET merged_into = $5, updated_at = now(),
                name = CASE WHEN label <> $4 THEN name END, named_by = CASE WHEN label <> $4 THEN named_by END,
                person_id = CASE WHEN label <> $4 THEN person_id END, sound = NULL
         WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND merged_into IS DISTINCT FROM $5
           AND (label = $4 OR merged_into = $4)",
    )
    .bind(organisation)
    .bind(room)
    .bind(&identity)
    .bind(from)
    .bind(into)
    .execute(&mut *connection)
    .await?;
    if merged.rows_affected() == 0 && relabelled.is_empty() {
        return Ok(None);
    }
    let data = json!({ "identity": identity, "from": from, "into": into });
    events::insert(connection, organisation, room, Some(epoch), "voices_merged", data).await?;
    if handed_on.rows_affected() > 0 {
        return Ok(Some((0, i64::MAX)));
    }
    let starts = relabelled.iter().map(|turn| turn.0).min();
    let ends = relabelled.iter().map(|turn| turn.1).max();
    Ok(starts.zip(ends))
}
