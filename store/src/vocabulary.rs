//! What a recogniser should have heard of before a meeting: who comes, what people had to correct, what the organisation's
//! documents speak of.

use uuid::Uuid;

use crate::{Result, Store};

/// Of each kind.
pub const VOCABULARY_MAX: i64 = 50;

/// Words and names, those most worth knowing first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Of the people who were invited.
    pub names: Vec<String>,
    /// What corrections brought in, the newest first.
    pub corrected: Vec<String>,
    /// Of the documents.
    pub terms: Vec<String>,
}

impl Store {
    /// The vocabulary of a room.
    ///
    /// # Errors
    /// The database is away.
    pub async fn vocabulary(&self, organisation: Uuid, room: Uuid) -> Result<Vocabulary> {
        let names = sqlx::query_scalar(
            "SELECT name FROM participants WHERE organisation_id = $1 AND room_id = $2 AND kind <> 'agent'
             GROUP BY name ORDER BY min(created_at) LIMIT $3",
        )
        .bind(organisation)
        .bind(room)
        .bind(VOCABULARY_MAX)
        .fetch_all(&self.pool);
        let corrected = sqlx::query_scalar(
            "SELECT term FROM (
                 SELECT id, terms FROM corrections WHERE organisation_id = $1 AND terms <> '{}' ORDER BY id DESC LIMIT $2
             ) newest, unnest(terms) AS term
             GROUP BY term ORDER BY max(id) DESC, term LIMIT $2",
        )
        .bind(organisation)
        .bind(VOCABULARY_MAX)
        .fetch_all(&self.pool);
        // A document's first word comes before any document's second one.
        let terms = sqlx::query_scalar(
            "SELECT term FROM documents, unnest(terms) WITH ORDINALITY AS worth (term, place)
             WHERE organisation_id = $1 AND status = 'ready'
             GROUP BY term ORDER BY min(place), count(*) DESC, term LIMIT $2",
        )
        .bind(organisation)
        .bind(VOCABULARY_MAX)
        .fetch_all(&self.pool);
        let (names, corrected, terms) = tokio::try_join!(names, corrected, terms)?;
        Ok(Vocabulary {
            names,
            corrected,
            terms,
        })
    }
}
