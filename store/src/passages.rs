//! Search: vector and full text, fused in one statement.

use pgvector::Vector;
use uuid::Uuid;

use crate::{Result, Store, StoreError, storable};

/// The length of an embedding (all-MiniLM-L6-v2).
pub const EMBEDDING_DIMENSIONS: usize = 384;
/// Up to this many passages an exact scan is faster and better than the graph index (docs/figures.md).
const EXACT_LIMIT: i64 = 10_000;
/// Candidates from each of the two searches.
const CANDIDATES: i64 = 40;
/// Of a longer question the words behind this are not looked for.
const QUESTION_BYTES: usize = 4_000;

/// A passage that may bear an answer.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct FoundPassage {
    /// Its id.
    pub id: Uuid,
    /// The document.
    pub document_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The headings above it.
    pub heading: String,
    /// Of a PDF.
    pub page: Option<i32>,
    /// Its text.
    pub text: String,
    /// Cosine distance to the question: 0 same direction, 1 unrelated, 2 opposite.
    pub distance: f64,
    /// Reciprocal rank fusion with k = 60 (Cormack, Clarke, Buettcher 2009); the best first.
    pub score: f64,
}

/// An embedding as the index takes it: a direction, so neither too long, nor zero, nor with a number that is none.
pub(crate) fn checked(embedding: &[f32]) -> Result<Vector> {
    let right_length = embedding.len() == EMBEDDING_DIMENSIONS;
    let direction =
        embedding.iter().all(|number| number.is_finite()) && embedding.iter().any(|number| *number != 0.0);
    if right_length && direction {
        Ok(Vector::from(embedding.to_vec()))
    } else {
        Err(StoreError::Invalid {
            field: "embedding",
            limit: format!("{EMBEDDING_DIMENSIONS} finite numbers that are not all zero"),
        })
    }
}

impl Store {
    /// The passages nearest to a question by meaning and by words, at most `limit`, the best first.
    ///
    /// # Errors
    /// The embedding is no direction in 384 dimensions, or the database is away.
    pub async fn search(
        &self,
        organisation: Uuid,
        question: &str,
        embedding: &[f32],
        limit: i64,
    ) -> Result<Vec<FoundPassage>> {
        let embedding = checked(embedding)?;
        let question = &question[..question.floor_char_boundary(QUESTION_BYTES)];
        let passages: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT FROM passages WHERE organisation_id = $1 LIMIT $2) AS counted",
        )
        .bind(organisation)
        .bind(EXACT_LIMIT + 1)
        .fetch_one(&self.pool)
        .await?;
        // Adding zero hides the distance from the graph index and forces the exact scan.
        let nearest = if passages > EXACT_LIMIT {
            "embedding <=> $2"
        } else {
            "(embedding <=> $2) + 0"
        };
        let statement = format!(
            "WITH question AS (
                 -- Any of the words may match: a question has words that no passage has. Each is quoted as the syntax of
                 -- tsquery wants it, so none is an operator. No words: null, which matches nothing.
                 SELECT string_agg('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''', ' | ')::tsquery AS words
                 FROM unnest(to_tsvector('english', $3))),
             by_vector AS (
                 SELECT id, row_number() OVER (ORDER BY distance, id) AS rank FROM (
                     SELECT id, {nearest} AS distance FROM passages WHERE organisation_id = $1
                     ORDER BY {nearest} LIMIT {CANDIDATES}) AS near),
             by_words AS (
                 SELECT id, row_number() OVER (ORDER BY weight DESC, id) AS rank FROM (
                     SELECT p.id, ts_rank(p.search, q.words) AS weight FROM passages p, question q
                     WHERE p.organisation_id = $1 AND p.search @@ q.words
                     ORDER BY weight DESC, p.id LIMIT {CANDIDATES}) AS matching)
             SELECT p.id, p.document_id, d.title AS document_title, p.heading, p.page, p.text,
                    (p.embedding <=> $2)::double precision AS distance,
                    (COALESCE(1.0 / (60 + v.rank), 0) + COALESCE(1.0 / (60 + w.rank), 0))::double precision AS score
             FROM by_vector v FULL JOIN by_words w USING (id)
             JOIN passages p USING (id) JOIN documents d ON d.id = p.document_id
             WHERE p.organisation_id = $1
             ORDER BY score DESC, distance, p.id LIMIT $4"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(organisation)
            .bind(embedding)
            .bind(storable(question))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?)
    }
}
