//! Who has agreed to be recognised. Every statement is kept with its author and time; the newest counts. The agent in the
//! room is told at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::changes::{self, RoomChange};
use crate::{Result, Store, StoreError, events, lock_room, storable};

/// Who may be recognised in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ConsentPolicy {
    /// Everybody who has not declined.
    #[default]
    Assumed,
    /// Nobody who has not agreed.
    Required,
}

/// What somebody said about being recognised.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Consent {
    /// Whether they agree.
    pub granted: bool,
    /// Their own identity, or who said so for them.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Who may be recognised in a room now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents {
    /// For those who have said nothing.
    pub policy: ConsentPolicy,
    /// Whether they agree, by identity in LiveKit.
    pub granted: BTreeMap<String, bool>,
}

impl Consents {
    /// Whether somebody may be recognised.
    pub fn allow(&self, identity: &str) -> bool {
        let said = self.granted.get(identity).copied();
        said.unwrap_or(self.policy == ConsentPolicy::Assumed)
    }
}

impl Store {
    /// Writes down whether a participant agrees to be recognised; an event, and the agent is told.
    ///
    /// # Errors
    /// There is no such participant there, the author is outside its limit, or the database is away.
    pub async fn set_consent(
        &self,
        organisation: Uuid,
        room: Uuid,
        participant: Uuid,
        granted: bool,
        author: &str,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        lock_room(&mut transaction, organisation, room).await?;
        let identity: String = sqlx::query_scalar(
            "SELECT identity FROM participants WHERE organisation_id = $1 AND room_id = $2 AND id = $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(participant)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(StoreError::NotFound { what: "participant" })?;
        sqlx::query(
            "INSERT INTO consents (organisation_id, room_id, identity, granted, author) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(organisation)
        .bind(room)
        .bind(&identity)
        .bind(granted)
        .bind(storable(author))
        .execute(&mut *transaction)
        .await?;
        let data = json!({ "identity": identity, "granted": granted, "author": author });
        events::insert(
            &mut transaction,
            organisation,
            room,
            None,
            "consent_changed",
            data,
        )
        .await?;
        changes::notify(&mut transaction, RoomChange::Consents { room }).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Everything that somebody said about being recognised, the newest last.
    ///
    /// # Errors
    /// The database is away.
    pub async fn consent_history(
        &self,
        organisation: Uuid,
        room: Uuid,
        identity: &str,
    ) -> Result<Vec<Consent>> {
        Ok(sqlx::query_as(
            "SELECT granted, author, at FROM consents
             WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 ORDER BY id",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .fetch_all(&self.pool)
        .await?)
    }

    /// Who may be recognised in a room now.
    ///
    /// # Errors
    /// There is no such room there, or the database is away.
    pub async fn consents(&self, organisation: Uuid, room: Uuid) -> Result<Consents> {
        let policy = sqlx::query_scalar("SELECT consent FROM rooms WHERE organisation_id = $1 AND id = $2")
            .bind(organisation)
            .bind(room)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "room" })?;
        let granted: Vec<(String, bool)> = sqlx::query_as(
            "SELECT DISTINCT ON (identity) identity, granted FROM consents
             WHERE organisation_id = $1 AND room_id = $2 ORDER BY identity, id DESC",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?;
        Ok(Consents {
            policy,
            granted: granted.into_iter().collect(),
        })
    }
}
