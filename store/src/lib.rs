//! The only place with SQL. Domain types in, domain types out; every query of an organisation's data takes the
//! organisation's id, and every write of an agent session takes its epoch and is refused when a newer one exists.
//!
//! Times of a meeting are milliseconds on the room's own clock; wall-clock times are UTC. Leases are judged by
//! Postgres' clock alone.

pub mod answers;
pub mod captions;
pub mod documents;
pub mod error;
pub mod events;
pub mod leases;
pub mod organisations;
pub mod participants;
pub mod passages;
pub mod rooms;
pub mod schedule;
pub mod segments;
pub mod usage;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub use answers::{Answer, AskedVia, NewAnswer, Source};
pub use captions::{CaptionFeed, CaptionNotice, PartialCaption};
pub use documents::{ClaimedDocument, Document, DocumentFormat, DocumentStatus, NewDocument, NewPassage};
pub use error::StoreError;
pub use events::RoomEvent;
pub use leases::{AgentSession, DueRoom, Lease, SessionStatus};
pub use organisations::{NewOrganisation, Organisation};
pub use participants::{NewParticipant, Participant, ParticipantKind};
pub use passages::FoundPassage;
pub use rooms::{NewRoom, Room, RoomForAgent, RoomStatus};
pub use schedule::{ScheduleFeed, Topic};
pub use segments::{NewSegment, Segment, Word};
pub use usage::{NewUsage, Usage};

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest form of a result of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle to the database; clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
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
        sqlx::migrate!("../migrations")
            .run(&self.pool)
            .await
            .map_err(StoreError::from)
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

/// Locks the room's row for the transaction and refuses a session whose epoch is no longer the newest.
async fn fence(connection: &mut PgConnection, organisation: Uuid, room: Uuid, epoch: i64) -> Result<()> {
    let current: Option<i64> =
        sqlx::query_scalar("SELECT epoch FROM rooms WHERE id = $1 AND organisation_id = $2 FOR SHARE")
            .bind(room)
            .bind(organisation)
            .fetch_optional(connection)
            .await?;
    match current {
        Some(current) if current == epoch => Ok(()),
        Some(current) => Err(StoreError::Fenced { room, epoch, current }),
        None => Err(StoreError::NotFound { what: "room" }),
    }
}

/// Text as Postgres can keep it: it has no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}
