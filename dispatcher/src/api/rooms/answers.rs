//! `GET /v1/organisations/{organisation}/rooms/{room}/answers`

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// How a question came.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedVia {
    /// Written in the chat.
    Chat,
    /// Said aloud.
    Voice,
    /// Asked by one participant for itself.
    Private,
}

impl From<store::AskedVia> for AskedVia {
    fn from(via: store::AskedVia) -> Self {
        match via {
            store::AskedVia::Chat => Self::Chat,
            store::AskedVia::Voice => Self::Voice,
            store::AskedVia::Private => Self::Private,
        }
    }
}

/// A question and its answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Answer {
    /// Its id.
    pub id: Uuid,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub text: String,
    /// The asking participant's identity.
    pub asked_by: String,
    /// How it came.
    pub via: AskedVia,
    /// Whether documents bear it.
    pub grounded: bool,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// From the question's end to the answer's.
    pub latency_ms: i64,
    /// The model, or `extractive`.
    pub engine: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Where a sentence of an answer comes from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Source {
    /// The passage.
    pub passage_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The headings above the passage.
    pub heading: String,
    /// Of a PDF.
    pub page: Option<i32>,
    /// The words that bear the answer.
    pub quote: String,
}

impl From<store::Source> for Source {
    fn from(source: store::Source) -> Self {
        let store::Source {
            passage_id,
            document_title,
            heading,
            page,
            quote,
        } = source;
        Self {
            passage_id,
            document_title,
            heading,
            page,
            quote,
        }
    }
}

impl From<store::Answer> for Answer {
    fn from(answer: store::Answer) -> Self {
        Self {
            id: answer.id,
            question: answer.question,
            text: answer.text,
            asked_by: answer.asked_by,
            via: answer.via.into(),
            grounded: answer.grounded,
            sources: answer.sources.0.into_iter().map(Source::from).collect(),
            latency_ms: answer.latency_ms,
            engine: answer.engine,
            created_at: answer.created_at,
        }
    }
}

/// Answers, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerList {
    /// The answers.
    items: Vec<Answer>,
}

/// Reads what the assistant was asked and what it answered.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/answers", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The answers", body = AnswerList), ApiErrors),
)]
pub async fn answers(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<AnswerList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, answers) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.answers(organisation, room)
    )?;
    Ok(Json(AnswerList {
        items: answers.into_iter().map(Answer::from).collect(),
    }))
}
