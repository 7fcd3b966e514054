//! What the assistant was asked and what it answered, with its sources.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Store, fence, storable};

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AskedVia {
    /// Written in the chat.
    Chat,
    /// Said aloud.
    Voice,
    /// Asked by one participant for itself.
    Private,
}

impl AskedVia {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Voice => "voice",
            Self::Private => "private",
        }
    }
}

/// Where a sentence of an answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The passage.
    pub passage_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The headings above the passage.
    pub heading: String,
    /// Of a PDF.
    pub page: Option<i32>,
    /// The words of the passage that bear the answer.
    pub quote: String,
}

/// An answer on its way into the record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAnswer {
    /// Made before the first attempt: recording the same id again is one answer.
    pub id: Uuid,
    /// The asking participant's identity.
    pub asked_by: String,
    /// How it came.
    pub via: AskedVia,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub text: String,
    /// Whether documents bear it.
    pub grounded: bool,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// The model, or `extractive`.
    pub engine: String,
    /// From the question's end to the answer's.
    pub latency_ms: i64,
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Answer {
    /// Its id.
    pub id: Uuid,
    /// The asking participant's identity.
    pub asked_by: String,
    /// How it came.
    pub via: AskedVia,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub text: String,
    /// Whether documents bear it.
    pub grounded: bool,
    /// Where it comes from.
    pub sources: Json<Vec<Source>>,
    /// The model, or `extractive`.
    pub engine: String,
    /// From the question's end to the answer's.
    pub latency_ms: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

fn storable_sources(sources: &[Source]) -> Vec<Source> {
    let source = |source: &Source| Source {
        document_title: storable(&source.document_title),
        heading: storable(&source.heading),
        quote: storable(&source.quote),
        ..source.clone()
    };
    sources.iter().map(source).collect()
}

impl Store {
    /// Records an answer and tells the live pages. Recording the same id again changes nothing.
    ///
    /// # Errors
    /// A newer epoch was handed out, or the database is away.
    pub async fn record_answer(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        new: &NewAnswer,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        let inserted = sqlx::query(
            "INSERT INTO answers (id, organisation_id, room_id, epoch, asked_by, via, question, text, grounded, sources,
                                  engine, latency_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING",
        )
        .bind(new.id)
        .bind(organisation)
        .bind(room)
        .bind(epoch)
        .bind(storable(&new.asked_by))
        .bind(new.via)
        .bind(storable(&new.question))
        .bind(storable(&new.text))
        .bind(new.grounded)
        .bind(Json(storable_sources(&new.sources)))
        .bind(storable(&new.engine))
        .bind(new.latency_ms)
        .execute(&mut *transaction)
        .await?;
        // A private answer is for one participant: the page that everybody may watch is not told.
        if inserted.rows_affected() == 1 && new.via != AskedVia::Private {
            crate::captions::notify_answer(&mut transaction, room, new.id).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The answers of a room, the oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn answers(&self, organisation: Uuid, room: Uuid) -> Result<Vec<Answer>> {
        Ok(sqlx::query_as(
            "SELECT id, asked_by, via, question, text, grounded, sources, engine, latency_ms, created_at
             FROM answers WHERE organisation_id = $1 AND room_id = $2 ORDER BY created_at, id",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }
}
