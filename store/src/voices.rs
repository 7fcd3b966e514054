//! Who of several people at one microphone speaks when: turns that lie over a participant's segments in time, and the
//! voices they are of. A segment is never changed; which of its words are whose is read from the turns over it.

mod record;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::captions::{self, CaptionNotice};
use crate::changes::{self, RoomChange};
use crate::{Result, Segment, Store, StoreError, events, lock_room, storable};

/// How many numbers say what a voice sounds like.
pub const SOUND_DIMENSIONS: usize = 192;

/// Whether people who share a microphone are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum VoicePolicy {
    /// Once a second voice is heard; until then the agent only listens for one now and then.
    #[default]
    Detect,
    /// From the first word on.
    Several,
    /// Nobody is.
    One,
}

impl VoicePolicy {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Several => "several",
            Self::One => "one",
        }
    }
}

/// Somebody's stretch of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceTurn {
    /// Whose microphone.
    pub identity: String,
    /// The utterance's number within the session.
    pub utterance: i64,
    /// The turn's within the utterance. The same numbers again correct the turn.
    pub turn: i32,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock, at most a minute after `start_ms`.
    pub end_ms: i64,
    /// Whose; none as long as nobody is sure.
    pub label: Option<i32>,
    /// Whether somebody else spoke at the same time.
    pub overlapped: bool,
}

/// A voice as an agent knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardVoice {
    /// Whose microphone.
    pub identity: String,
    /// 1 is the first.
    pub label: i32,
    /// [`SOUND_DIMENSIONS`] finite numbers.
    pub sound: Vec<f32>,
    /// How much of it was heard.
    pub heard_ms: i64,
    /// Who of the organisation's people it sounds like.
    pub person: Option<Uuid>,
}

/// Two labels turned out to be one voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceMerge {
    /// Whose microphone.
    pub identity: String,
    /// The label that is gone.
    pub from: i32,
    /// The one that stays.
    pub into: i32,
}

/// What an agent found out about voices. Merges come after turns and voices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoiceNews {
    /// New turns, and earlier ones with another label.
    pub turns: Vec<VoiceTurn>,
    /// Voices as they are known now.
    pub voices: Vec<HeardVoice>,
    /// Labels that became one.
    pub merges: Vec<VoiceMerge>,
}

/// A voice at a participant's microphone.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct KnownVoice {
    /// Whose microphone.
    pub identity: String,
    /// 1 is the first.
    pub label: i32,
    /// What it sounds like, as long as the meeting runs.
    pub sound: Option<Vec<f32>>,
    /// How much speech `sound` rests on; without it, how much there is.
    pub heard_ms: i64,
    /// Its name, or that of the person.
    pub name: Option<String>,
    /// Who of the organisation's people it is.
    pub person: Option<Uuid>,
}

/// A turn over a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock.
    pub end_ms: i64,
    /// Whose; none where nobody is sure.
    pub label: Option<i32>,
    /// The voice's name, if it has one.
    pub name: Option<String>,
    /// Whether somebody else spoke at the same time.
    pub overlapped: bool,
}

/// Which part of whose speech reads differently.
#[derive(Default)]
struct Changed(BTreeMap<String, (i64, i64)>);

impl Changed {
    fn add(&mut self, identity: &str, from_ms: i64, to_ms: i64) {
        let range = self.0.entry(storable(identity)).or_insert((from_ms, to_ms));
        *range = (range.0.min(from_ms), range.1.max(to_ms));
    }

    fn all(identity: &str) -> Self {
        let mut changed = Self::default();
        changed.add(identity, 0, i64::MAX);
        changed
    }

    async fn notify(self, connection: &mut PgConnection, room: Uuid) -> Result<()> {
        for (identity, (from_ms, to_ms)) in self.0 {
            let notice = CaptionNotice::Voices {
                room,
                identity,
                from_ms,
                to_ms,
            };
            captions::notify(connection, &notice).await?;
        }
        Ok(())
    }
}

/// Tells viewers that everything at a microphone may have other names.
pub(crate) async fn notify_renamed(connection: &mut PgConnection, room: Uuid, identity: &str) -> Result<()> {
    Changed::all(identity).notify(connection, room).await
}

/// What the voices of a room sound like is only kept while it runs.
pub(crate) async fn forget_sounds(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
) -> Result<()> {
    sqlx::query("UPDATE voices SET sound = NULL WHERE organisation_id = $1 AND room_id = $2")
        .bind(organisation)
        .bind(room)
        .execute(connection)
        .await?;
    Ok(())
}

/// The label under which a voice is known now: the one it was merged into, if it was. The caller holds the room's lock.
pub(crate) async fn current_label(
    connection: &mut PgConnection,
    organisation: Uuid,
    room: Uuid,
    identity: &str,
    label: i32,
) -> Result<i32> {
    let current: Option<i32> = sqlx::query_scalar(
        "SELECT COALESCE(
             (SELECT COALESCE(merged_into, label) FROM voices
              WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4),
             (SELECT label FROM voice_turns
              WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4 LIMIT 1))",
    )
    .bind(organisation)
    .bind(room)
    .bind(storable(identity))
    .bind(label)
    .fetch_one(connection)
    .await?;
    current.ok_or(StoreError::NotFound { what: "voice" })
}

impl Store {
    /// The voices that are told apart in a room, by identity and label. One that was merged into another is not among them.
    ///
    /// # Errors
    /// The database is away.
    pub async fn voices(&self, organisation: Uuid, room: Uuid) -> Result<Vec<KnownVoice>> {
        // A recogniser that tells speakers apart itself has turns, but no sounds.
        Ok(sqlx::query_as(
            "WITH known AS (SELECT * FROM voices WHERE organisation_id = $1 AND room_id = $2 AND merged_into IS NULL),
                  spoken AS (SELECT identity, label, sum(end_ms - start_ms)::bigint AS heard_ms FROM voice_turns
                             WHERE organisation_id = $1 AND room_id = $2 AND label IS NOT NULL GROUP BY identity, label)
             SELECT identity, label, known.sound::real[] AS sound,
                    COALESCE(CASE WHEN known.sound IS NOT NULL THEN known.heard_ms END, spoken.heard_ms, known.heard_ms) AS heard_ms,
                    COALESCE(known.name, person.name) AS name, known.person_id AS person
             FROM known FULL JOIN spoken USING (identity, label)
             LEFT JOIN people person ON person.organisation_id = $1 AND person.id = known.person_id
             ORDER BY identity, label",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Gives a voice a name, or takes it back; an event, and agent and viewers are told. Whose voice it sounds like counts
    /// no more, unless the name is that person's.
    ///
    /// # Errors
    /// There is no such voice there, name or author is outside its limit (1 to 100, 1 to 200 characters), or the database
    /// is away.
    pub async fn name_voice(
        &self,
        organisation: Uuid,
        room: Uuid,
        identity: &str,
        label: i32,
        name: Option<&str>,
        by: &str,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, room).await?;
        let label = current_label(&mut transaction, organisation, room, identity, label).await?;
        sqlx::query(
            "INSERT INTO voices AS known (organisation_id, room_id, identity, label, name, named_by, heard_ms)
             VALUES ($1, $2, $3, $4, $5, $6, 0)
             ON CONFLICT (room_id, identity, label) DO UPDATE
             SET name = EXCLUDED.name, named_by = EXCLUDED.named_by, updated_at = now(),
                 person_id = (SELECT id FROM people
                              WHERE organisation_id = $1 AND id = known.person_id AND name = EXCLUDED.name)",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .bind(label)
        .bind(name.map(storable))
        .bind(storable(by))
        .execute(&mut *transaction)
        .await?;
        let data = json!({ "identity": identity, "label": label });
        events::insert(&mut transaction, organisation, room, None, "voice_named", data).await?;
        changes::notify(&mut transaction, RoomChange::Voices { room }).await?;
        notify_renamed(&mut transaction, room, identity).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Segments over which voices are told apart, of one microphone or of all, that lie within a stretch of the meeting and
    /// have these sequence numbers, in order, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn segments_with_voices(
        &self,
        organisation: Uuid,
        room: Uuid,
        identity: Option<&str>,
        stretch_ms: RangeInclusive<i64>,
        sequences: RangeInclusive<i64>,
        limit: i64,
    ) -> Result<Vec<Segment>> {
        Ok(sqlx::query_as(
            "SELECT * FROM transcript
             WHERE organisation_id = $1 AND room_id = $2 AND ($3 IS NULL OR identity = $3) AND turns IS NOT NULL
               AND start_ms <= $5 AND end_ms >= $4 AND sequence BETWEEN $6 AND $7
             ORDER BY sequence LIMIT $8",
        )
        .bind(organisation)
        .bind(room)
        .bind(identity.map(storable))
        .bind(stretch_ms.start())
        .bind(stretch_ms.end())
        .bind(sequences.start())
        .bind(sequences.end())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
