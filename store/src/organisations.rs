//! Organisations: the tenants.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Result, Store, StoreError, storable};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Organisation {
    /// Its id.
    pub id: Uuid,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// What participants call the assistant, 1 to 40 characters.
    pub assistant_name: String,
    /// Standing instructions for the assistant, at most 8000 characters.
    pub instructions: String,
    /// The recognisers of its rooms, the preferred one first: 1 to 4 of `deepgram`,
    /// `openai`, `openai_realtime`, `whisper`.
    pub recognisers: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What is needed to make an organisation.
#[derive(Clone, Debug)]
pub struct NewOrganisation {
    /// 1 to 200 characters.
    pub name: String,
    /// 1 to 40 characters.
    pub assistant_name: String,
    /// At most 8000 characters.
    pub instructions: String,
    /// See [`Organisation::recognisers`].
    pub recognisers: Vec<String>,
}

impl Store {
    /// Makes an organisation.
    ///
    /// # Errors
    /// A text is outside its limit, or the database is away.
    pub async fn create_organisation(&self, new: &NewOrganisation) -> Result<Organisation> {
        Ok(sqlx::query_as(
            "INSERT INTO organisations (id, name, assistant_name, instructions, recognisers)
             VALUES ($1, $2, $3, $4, $5) RETURNING *",
        )
        .bind(Uuid::now_v7())
        .bind(storable(&new.name))
        .bind(storable(&new.assistant_name))
        .bind(storable(&new.instructions))
        .bind(&new.recognisers)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Chooses the recognisers of an organisation's rooms. Agents that are in a room go on with theirs.
    ///
    /// # Errors
    /// It does not exist, the list is outside its limit, or the database is away.
    pub async fn set_recognisers(&self, organisation: Uuid, recognisers: &[String]) -> Result<Organisation> {
        sqlx::query_as("UPDATE organisations SET recognisers = $2 WHERE id = $1 RETURNING *")
            .bind(organisation)
            .bind(recognisers)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "organisation" })
    }

    /// One organisation.
    ///
    /// # Errors
    /// It does not exist, or the database is away.
    pub async fn organisation(&self, id: Uuid) -> Result<Organisation> {
        sqlx::query_as("SELECT * FROM organisations WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "organisation" })
    }
}
