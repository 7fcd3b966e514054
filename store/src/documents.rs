//! The documents of a knowledge base and the queue in which they wait to be read. A claim runs out by itself: a
//! worker that dies leaves its document to the next one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgvector::Vector;
use uuid::Uuid;

use crate::passages::checked;
use crate::{Result, Store, StoreError, storable};

/// How often a document is tried before it counts as failed.
const ATTEMPTS_LIMIT: i32 = 3;
/// How long a document that is to be tried again waits.
const RETRY_PAUSE_SECONDS: f64 = 5.0;
/// How many passages go into the index at once: about a megabyte of vectors.
const PASSAGES_A_STATEMENT: usize = 500;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DocumentFormat {
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// PDF.
    Pdf,
    /// Word.
    Docx,
}

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DocumentStatus {
    /// It waits.
    Queued,
    /// A worker reads it.
    Processing,
    /// Its passages can be found.
    Ready,
    /// It could not be read; the error says why.
    Failed,
}

impl DocumentStatus {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// A document without its content.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Document {
    /// Its id.
    pub id: Uuid,
    /// 1 to 300 characters.
    pub title: String,
    /// As it was uploaded.
    pub file_name: String,
    /// What it is.
    pub format: DocumentFormat,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// How many passages were made of it.
    pub passages: i64,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

/// An upload.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// 1 to 300 characters.
    pub title: String,
    /// As it was uploaded.
    pub file_name: String,
    /// What it was found to be.
    pub format: DocumentFormat,
    /// SHA-256 of the content: the same content is stored once.
    pub sha256: [u8; 32],
    /// The file.
    pub content: Vec<u8>,
}

/// A document in the hands of a worker.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClaimedDocument {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub organisation_id: Uuid,
    /// Its title.
    pub title: String,
    /// What it is.
    pub format: DocumentFormat,
    /// The file.
    pub content: Vec<u8>,
    /// This is attempt number 1, 2, ...
    pub attempts: i32,
}

/// A passage on its way into the index.
#[derive(Clone, Debug)]
pub struct NewPassage {
    /// 0, 1, 2, ... in the document.
    pub ordinal: i32,
    /// The headings above it.
    pub heading: String,
    /// Of a PDF.
    pub page: Option<i32>,
    /// Its text.
    pub text: String,
    /// [`EMBEDDING_DIMENSIONS`](crate::EMBEDDING_DIMENSIONS) numbers of length 1.
    pub embedding: Vec<f32>,
}

const COLUMNS: &str = "d.id, d.title, d.file_name, d.format, d.status, d.error, d.created_at,
    (SELECT count(*) FROM passages p WHERE p.document_id = d.id) AS passages";

impl Store {
    /// Puts an upload in the queue. Content that is there already (and did not fail) is returned as it is.
    ///
    /// # Errors
    /// Title or content are outside their limits, there is no such organisation, or the database is away.
    pub async fn enqueue_document(&self, organisation: Uuid, new: &NewDocument) -> Result<Document> {
        sqlx::query(
            "INSERT INTO documents (id, organisation_id, title, file_name, format, sha256, content, status)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued')
             ON CONFLICT (organisation_id, sha256) WHERE status <> 'failed' DO NOTHING",
        )
        .bind(Uuid::now_v7())
        .bind(organisation)
        .bind(storable(&new.title))
        .bind(storable(&new.file_name))
        .bind(new.format)
        .bind(new.sha256.as_slice())
        .bind(&new.content)
        .execute(&self.pool)
        .await?;
        let statement = format!(
            "SELECT {COLUMNS} FROM documents d WHERE d.organisation_id = $1 AND d.sha256 = $2 ORDER BY d.created_at DESC, d.id DESC LIMIT 1"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(organisation)
            .bind(new.sha256.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "document" })
    }

    /// Takes the oldest waiting document for `claim_for`; a claim that ran out is taken again.
    ///
    /// # Errors
    /// The database is away.
    pub async fn claim_document(&self, claim_for: Duration) -> Result<Option<ClaimedDocument>> {
        // A document that made its worker die each time must not do so for ever.
        sqlx::query(
            "UPDATE documents SET status = 'failed', error = 'reading it was given up after several attempts', updated_at = now()
             WHERE status = 'processing' AND claimed_until < now() AND attempts >= $1",
        )
        .bind(ATTEMPTS_LIMIT)
        .execute(&self.pool)
        .await?;
        Ok(sqlx::query_as(
            "UPDATE documents SET status = 'processing', attempts = attempts + 1, updated_at = now(),
                    claimed_until = now() + make_interval(secs => $1)
             WHERE id = (
                 SELECT id FROM documents
                 WHERE (status = 'queued' AND (claimed_until IS NULL OR claimed_until < now()))
                    OR (status = 'processing' AND claimed_until < now())
                 ORDER BY created_at, id FOR UPDATE SKIP LOCKED LIMIT 1)
             RETURNING id, organisation_id, title, format, content, attempts",
        )
        .bind(claim_for.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Stores the passages of a claimed document, and the words that a recogniser should know from it, the most important one
    /// first, and makes it ready, all or nothing.
    ///
    /// # Errors
    /// The document was deleted or taken by another worker meanwhile, an embedding is no direction, or the database is away.
    pub async fn finish_document(
        &self,
        claimed: &ClaimedDocument,
        passages: &[NewPassage],
        terms: &[String],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let ready = sqlx::query(
            "UPDATE documents SET status = 'ready', error = NULL, claimed_until = NULL, updated_at = now(), terms = $4
             WHERE id = $1 AND organisation_id = $2 AND status = 'processing' AND attempts = $3",
        )
        .bind(claimed.id)
        .bind(claimed.organisation_id)
        .bind(claimed.attempts)
        .bind(terms.iter().map(|term| storable(term)).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
        if ready.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "document" });
        }
        for some in passages.chunks(PASSAGES_A_STATEMENT) {
            let embeddings: Result<Vec<Vector>> =
                some.iter().map(|passage| checked(&passage.embedding)).collect();
            sqlx::query(
                "INSERT INTO passages (id, organisation_id, document_id, ordinal, heading, page, text, embedding)
                 SELECT id, $1, $2, ordinal, heading, page, text, embedding
                 FROM unnest($3::uuid[], $4::integer[], $5::text[], $6::integer[], $7::text[], $8::vector[])
                      AS new (id, ordinal, heading, page, text, embedding)",
            )
            .bind(claimed.organisation_id)
            .bind(claimed.id)
            .bind(some.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
            .bind(some.iter().map(|passage| passage.ordinal).collect::<Vec<_>>())
            .bind(some.iter().map(|passage| storable(&passage.heading)).collect::<Vec<_>>())
            .bind(some.iter().map(|passage| passage.page).collect::<Vec<_>>())
            .bind(some.iter().map(|passage| storable(&passage.text)).collect::<Vec<_>>())
            .bind(embeddings?)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Gives a claimed document back: failed for good, or to be tried again after a pause unless it was tried too often.
    ///
    /// # Errors
    /// The database is away.
    pub async fn fail_document(&self, claimed: &ClaimedDocument, error: &str, retry: bool) -> Result<()> {
        let status = if retry && claimed.attempts < ATTEMPTS_LIMIT {
            "queued"
        } else {
            "failed"
        };
        sqlx::query(
            "UPDATE documents SET status = $4, error = $5, updated_at = now(),
                    claimed_until = CASE WHEN $4 = 'queued' THEN now() + make_interval(secs => $6) END
             WHERE id = $1 AND organisation_id = $2 AND status = 'processing' AND attempts = $3",
        )
        .bind(claimed.id)
        .bind(claimed.organisation_id)
        .bind(claimed.attempts)
        .bind(status)
        .bind(storable(error))
        .bind(RETRY_PAUSE_SECONDS)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest documents of an organisation, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn documents(&self, organisation: Uuid, limit: i64) -> Result<Vec<Document>> {
        let statement = format!(
            "SELECT {COLUMNS} FROM documents d WHERE d.organisation_id = $1 ORDER BY d.created_at DESC, d.id DESC LIMIT $2"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(organisation)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?)
    }

    /// One document.
    ///
    /// # Errors
    /// It does not exist there, or the database is away.
    pub async fn document(&self, organisation: Uuid, id: Uuid) -> Result<Document> {
        let statement =
            format!("SELECT {COLUMNS} FROM documents d WHERE d.organisation_id = $1 AND d.id = $2");
        sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(organisation)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { what: "document" })
    }

    /// Deletes a document with its passages.
    ///
    /// # Errors
    /// It does not exist there, or the database is away.
    pub async fn delete_document(&self, organisation: Uuid, id: Uuid) -> Result<()> {
        let deleted = sqlx::query("DELETE FROM documents WHERE organisation_id = $1 AND id = $2")
            .bind(organisation)
            .bind(id)
            .execute(&self.pool)
            .await?;
        if deleted.rows_affected() == 0 {
            Err(StoreError::NotFound { what: "document" })
        } else {
            Ok(())
        }
    }
}
