//! The only place with SQL. Domain types in, domain types out; every query of an organisation's data takes the
//! organisation's id, and every write of an agent session takes its epoch and is refused when a newer one exists.
//!
//! Times of a meeting are milliseconds on the room's own clock; wall-clock times are UTC. Leases are judged by
//! Postgres' clock alone.

pub mod answers;
pub mod captions;
pub mod changes;
pub mod consents;
pub mod corrections;
pub mod coverage;
pub mod documents;
pub mod error;
pub mod events;
mod heard_voices;
pub mod leases;
mod notices;
pub mod organisations;
pub mod participants;
pub mod passages;
pub mod people;
pub mod prices;
pub mod rooms;
pub mod schedule;
pub mod segments;
pub mod transcript;
pub mod usage;
pub mod vocabulary;
pub mod voices;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub use answers::{Answer, AskedVia, NewAnswer, Source};
pub use captions::{CaptionFeed, CaptionNotice, PartialCaption};
pub use changes::{RoomChange, RoomChanges};
pub use consents::{Consent, ConsentPolicy, Consents};
pub use corrections::{CORRECTIONS_MAX, Correction, NewCorrection};
pub use coverage::{
    CoverageState, CoverageTotal, MicrophoneState, NewMicrophone, NewStretch, Stretch, share_covered,
};
pub use documents::{ClaimedDocument, Document, DocumentFormat, DocumentStatus, NewDocument, NewPassage};
pub use error::{DatabaseFault, StoreError};
pub use events::RoomEvent;
pub use leases::{AgentSession, Lease, Pressure, SessionStatus};
pub use organisations::{NewOrganisation, Organisation};
pub use participants::{NewParticipant, Participant, ParticipantKind};
pub use passages::{EMBEDDING_DIMENSIONS, FoundPassage};
pub use people::{PEOPLE_MAX, Person};
pub use prices::Price;
pub use rooms::{NewRoom, Room, RoomForAgent, RoomStatus};
pub use schedule::{DueRoom, ScheduleFeed, Topic};
pub use segments::{NewSegment, Segment, Word};
pub use usage::{NewUsage, Usage};
pub use vocabulary::{VOCABULARY_MAX, Vocabulary};
pub use voices::{
    HeardVoice, KnownVoice, SOUND_DIMENSIONS, Turn, VoiceMerge, VoiceNews, VoicePolicy, VoiceTurn,
};

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// No statement of the store takes this long on a healthy database.
const STATEMENT_TIMEOUT_MS: u32 = 30_000;
/// How long a statement waits for a row that another session holds.
const LOCK_TIMEOUT_MS: u32 = 3_000;
/// A process that freezes within a transaction holds the room's row: Postgres cuts it off, or nobody could take over.
const IDLE_TRANSACTION_TIMEOUT_MS: u32 = 5_000;

/// The shortest form of a result of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle to the database; clones share one pool.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
}

impl std::fmt::Debug for Store {
    /// Without the options: they hold the password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares a pool of at most `max_connections`; the first query connects, so the database may still be starting.
    ///
    /// # Errors
    /// `url` is not a Postgres URL.
    pub fn connect_lazy(url: &str, max_connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Invalid {
                field: "DATABASE_URL",
                limit: "a postgres:// URL".into(),
            })?
            .application_name("rapporteur")
            .options([
                // Plans depend on the size of the organisation in the parameters: never share one.
                ("plan_cache_mode", "force_custom_plan"),
                // A filtered nearest-neighbour search goes on until it has enough rows.
                ("hnsw.iterative_scan", "relaxed_order"),
                ("hnsw.ef_search", "100"),
            ])
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS),
                ("lock_timeout", LOCK_TIMEOUT_MS),
                ("idle_in_transaction_session_timeout", IDLE_TRANSACTION_TIMEOUT_MS),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options })
    }

    /// [`Store::connect_lazy`], and proves that the database answers.
    ///
    /// # Errors
    /// The URL is wrong or nobody answers within five seconds.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self> {
        let store = Self::connect_lazy(url, max_connections)?;
        store.ping().await?;
        Ok(store)
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    ///
    /// # Errors
    /// The database is away, or holds a schema that is newer or altered.
    pub async fn migrate(&self) -> Result<()> {
        // Building an index over a large table takes as long as it takes, and so may waiting for the one who does it.
        let patient = self.options.clone().options([
            ("statement_timeout", 0),
            ("lock_timeout", 0),
            ("idle_in_transaction_session_timeout", 0),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(patient);
        let outcome = sqlx::migrate!("../migrations").run(&pool).await;
        pool.close().await;
        Ok(outcome?)
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// It gives none.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection once its work is done.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Locks the room's row for the rest of the transaction and returns its newest epoch. All that is written into a room's
/// history goes through this lock, so that its rows commit in the order of their numbers.
async fn lock_room(connection: &mut PgConnection, organisation: Uuid, room: Uuid) -> Result<i64> {
    sqlx::query_scalar("SELECT epoch FROM rooms WHERE id = $1 AND organisation_id = $2 FOR NO KEY UPDATE")
        .bind(room)
        .bind(organisation)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::NotFound { what: "room" })
}

/// [`lock_room`], and refuses a session whose epoch is no longer the newest.
async fn fence(connection: &mut PgConnection, organisation: Uuid, room: Uuid, epoch: i64) -> Result<()> {
    let current = lock_room(connection, organisation, room).await?;
    if current == epoch {
        Ok(())
    } else {
        Err(StoreError::Fenced { room, epoch, current })
    }
}

/// Text as Postgres can keep it: it has no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

/// JSON as Postgres can keep it: no NUL in any text or name within.
fn storable_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(storable(&text)),
        Value::Array(items) => items.into_iter().map(storable_json).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (storable(&name), storable_json(field)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_nul_is_removed_wherever_it_hides() {
        let hostile = json!({"a\0": ["x\0y", {"b": "\0"}], "n": 1, "t": true, "z": null});
        assert_eq!(
            storable_json(hostile),
            json!({"a": ["xy", {"b": ""}], "n": 1, "t": true, "z": null})
        );
    }

    #[tokio::test]
    async fn debugging_output_has_no_password() {
        let store = Store::connect_lazy("postgres://user:hunter2@127.0.0.1:1/x", 1).unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
