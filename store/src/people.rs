//! Voices that an organisation keeps beyond a meeting, each with its owner's consent, so that people are recognised in the
//! next one.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::changes::{self, RoomChange};
use crate::{Result, Store, StoreError, events, lock_room, storable, voices};

/// People whose voices an organisation keeps.
pub const PEOPLE_MAX: i64 = 64;
/// Out of less speech a voice is not known well enough to be kept.
const HEARD_MIN_MS: i64 = 2_500;

/// Somebody whose voice an organisation keeps.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Person {
    /// Their id.
    pub id: Uuid,
    /// 1 to 100 characters.
    pub name: String,
    /// What the voice sounds like: a direction in [`SOUND_DIMENSIONS`](crate::SOUND_DIMENSIONS).
    pub sound: Vec<f32>,
    /// How much speech that rests on.
    pub heard_ms: i64,
    /// Who said that the person agreed.
    pub consent_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The people whose voices an organisation keeps, the newest first; at most [`PEOPLE_MAX`].
    ///
    /// # Errors
    /// The database is away.
    pub async fn people(&self, organisation: Uuid) -> Result<Vec<Person>> {
        Ok(sqlx::query_as(
            "SELECT id, name, sound::real[] AS sound, heard_ms, consent_by, created_at FROM people
             WHERE organisation_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
        )
        .bind(organisation)
        .bind(PEOPLE_MAX)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Gives a voice a name and keeps its sound for the organisation's next meetings. A voice that was recognised as this
    /// person renews what is kept. An event; agents and viewers are told.
    ///
    /// # Errors
    /// There is no such voice there, less than 2.5 s of it were heard, its sound is forgotten because the meeting is over,
    /// [`PEOPLE_MAX`] people are kept already, name or `consent_by` is outside its limit (1 to 100, 1 to 200 characters), or
    /// the database is away.
    pub async fn enrol_voice(
        &self,
        organisation: Uuid,
        room: Uuid,
        identity: &str,
        label: i32,
        name: &str,
        consent_by: &str,
    ) -> Result<Person> {
        let (name, consent_by) = (storable(name), storable(consent_by));
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, room).await?;
        let label = voices::current_label(&mut transaction, organisation, room, identity, label).await?;
        let heard: Option<(i64, Option<Uuid>)> = sqlx::query_as(
            "SELECT heard_ms, person_id FROM voices
             WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4 AND sound IS NOT NULL",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .bind(label)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((heard_ms, recognised)) = heard else {
            return Err(StoreError::Conflict {
                what: "what this voice sounds like is not known, or is forgotten because the meeting is over",
            });
        };
        if heard_ms < HEARD_MIN_MS {
            return Err(StoreError::Conflict {
                what: "too little of this voice was heard to keep it: it takes 2.5 seconds",
            });
        }
        // One after the other, so that the limit holds.
        sqlx::query("SELECT FROM organisations WHERE id = $1 FOR NO KEY UPDATE")
            .bind(organisation)
            .execute(&mut *transaction)
            .await?;
        let (known, kept): (Option<Uuid>, i64) = sqlx::query_as(
            "SELECT (SELECT id FROM people WHERE organisation_id = $1 AND id = $2 AND name = $3),
                    (SELECT count(*) FROM people WHERE organisation_id = $1)",
        )
        .bind(organisation)
        .bind(recognised)
        .bind(&name)
        .fetch_one(&mut *transaction)
        .await?;
        if known.is_none() && kept >= PEOPLE_MAX {
            return Err(StoreError::Conflict {
                what: "the voices of 64 people are kept already",
            });
        }
        let person: Person = sqlx::query_as(
            "INSERT INTO people (id, organisation_id, name, sound, heard_ms, consent_by)
             SELECT $1, $2, $3, sound, heard_ms, $4 FROM voices
             WHERE organisation_id = $2 AND room_id = $5 AND identity = $6 AND label = $7
             ON CONFLICT (id) DO UPDATE
             SET sound = EXCLUDED.sound, heard_ms = EXCLUDED.heard_ms, consent_by = EXCLUDED.consent_by
             RETURNING id, name, sound::real[] AS sound, heard_ms, consent_by, created_at",
        )
        .bind(known.unwrap_or_else(Uuid::now_v7))
        .bind(organisation)
        .bind(&name)
        .bind(&consent_by)
        .bind(room)
        .bind(storable(identity))
        .bind(label)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE voices SET name = $5, named_by = $6, person_id = $7, updated_at = now()
             WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .bind(label)
        .bind(&name)
        .bind(&consent_by)
        .bind(person.id)
        .execute(&mut *transaction)
        .await?;
        let data = json!({ "identity": identity, "label": label, "person": person.id });
        events::insert(&mut transaction, organisation, room, None, "voice_enrolled", data).await?;
        changes::notify(&mut transaction, RoomChange::Voices { room }).await?;
        changes::notify(&mut transaction, RoomChange::People { organisation }).await?;
        voices::notify_renamed(&mut transaction, room, identity).await?;
        transaction.commit().await?;
        Ok(person)
    }

    /// Forgets a person's voice. Names that people gave in a meeting's transcript stay; those that the voice was recognised by
    /// go. Agents and viewers are told.
    ///
    /// # Errors
    /// There is no such person there, or the database is away.
    pub async fn forget_person(&self, organisation: Uuid, id: Uuid) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let recognised: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT voice.room_id, voice.identity FROM voices voice JOIN rooms room ON room.id = voice.room_id
             WHERE voice.organisation_id = $1 AND voice.person_id = $2 AND room.status = 'live'",
        )
        .bind(organisation)
        .bind(id)
        .fetch_all(&mut *transaction)
        .await?;
        let forgotten = sqlx::query("DELETE FROM people WHERE organisation_id = $1 AND id = $2")
            .bind(organisation)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if forgotten.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "person" });
        }
        changes::notify(&mut transaction, RoomChange::People { organisation }).await?;
        for (room, identity) in recognised {
            voices::notify_renamed(&mut transaction, room, &identity).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
