//! `POST /v1/organisations/{organisation}/search`

use axum::extract::State;
use knowledge::EmbedError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::{characters, within};
use crate::http::{Json, Path, Problem, ProblemKind};

/// What is looked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// 1 to 2000 characters.
    #[schema(min_length = 1, max_length = 2000)]
    question: String,
    /// At most this many passages, 1 to 50; 8 unless given.
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<i64>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResult {
    /// The best first.
    passages: Vec<FoundPassage>,
}

/// A passage that may bear an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundPassage {
    /// Its id.
    id: Uuid,
    /// The document.
    document_id: Uuid,
    /// The document's title.
    document_title: String,
    /// The headings above it.
    heading: String,
    /// Of a PDF.
    page: Option<i32>,
    /// Its text.
    text: String,
    /// Cosine distance to the question: 0 same meaning, 1 unrelated.
    distance: f64,
    /// The fused rank that orders the list.
    score: f64,
}

/// Finds passages near a question, by meaning and by words.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/search", tag = "documents",
    params(("organisation" = Uuid, Path)), request_body = Search,
    responses((status = 200, description = "The passages", body = SearchResult), ApiErrors),
)]
pub async fn search(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Json(search): Json<Search>,
) -> Result<Json<SearchResult>, Problem> {
    let organisation = caller.within(organisation)?;
    let question = search.question.trim();
    characters("question", question, 1..=2000)?;
    let limit = within("limit", search.limit.unwrap_or(8), 1..=50)?;
    let (_, embedding) = tokio::try_join!(
        async { app.store.organisation(organisation).await.map_err(Problem::from) },
        async {
            let mut embeddings = app.embedder.embed(&[question]).await.map_err(unembedded)?;
            embeddings
                .pop()
                .ok_or_else(|| Problem::new(ProblemKind::Internal, "the model gave nothing"))
        }
    )?;
    let found = app
        .store
        .search(organisation, question, &embedding, limit)
        .await?;
    let passage = |found: store::FoundPassage| FoundPassage {
        id: found.id,
        document_id: found.document_id,
        document_title: found.document_title,
        heading: found.heading,
        page: found.page,
        text: found.text,
        distance: found.distance,
        score: found.score,
    };
    Ok(Json(SearchResult {
        passages: found.into_iter().map(passage).collect(),
    }))
}

fn unembedded(error: EmbedError) -> Problem {
    if matches!(error, EmbedError::Busy) {
        return Problem::new(ProblemKind::Overloaded, "too many questions at once; try again");
    }
    tracing::error!(%error, "embedding a question failed");
    Problem::new(
        ProblemKind::Internal,
        "the fault is logged under this request's id",
    )
}
