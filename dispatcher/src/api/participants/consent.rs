//! `PUT` and `GET /v1/organisations/{organisation}/rooms/{room}/participants/{participant}/consent`

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::characters;
use crate::http::{Json, Path, Problem};

/// Whether somebody agrees to be recognised.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    /// What they said.
    granted: bool,
    /// Who says so for them, 1 to 200 characters; `api` unless given.
    #[schema(min_length = 1, max_length = 200)]
    author: Option<String>,
}

/// Something that was said about being recognised.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statement {
    /// Whether they agree.
    granted: bool,
    /// Their own identity, or who said so for them.
    author: String,
    /// When.
    at: DateTime<Utc>,
}

/// Whether somebody is recognised, and what was said about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Consent {
    /// Whether they are recognised now: by the last statement, or without one by the room's policy.
    recognised: bool,
    /// Every statement, the newest last.
    history: Vec<Statement>,
}

async fn read(
    app: &App,
    organisation: Uuid,
    room: Uuid,
    participant: Uuid,
) -> Result<Json<Consent>, Problem> {
    let participant = app.store.participant(organisation, room, participant).await?;
    let (consents, history) = tokio::try_join!(
        app.store.consents(organisation, room),
        app.store
            .consent_history(organisation, room, &participant.identity),
    )?;
    let statement = |store::Consent { granted, author, at }| Statement { granted, author, at };
    Ok(Json(Consent {
        recognised: consents.allow(&participant.identity),
        history: history.into_iter().map(statement).collect(),
    }))
}

/// Says whether a participant agrees to be recognised. It takes effect at once: who declines is not heard by the agent any
/// more, and what they were saying is dropped; what they had said before stays.
#[utoipa::path(put, path = "/v1/organisations/{organisation}/rooms/{room}/participants/{participant}/consent",
    tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("participant" = Uuid, Path)), request_body = NewConsent,
    responses((status = 200, description = "As it is now", body = Consent), ApiErrors),
)]
pub async fn set(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, participant)): Path<(Uuid, Uuid, Uuid)>,
    Json(new): Json<NewConsent>,
) -> Result<Json<Consent>, Problem> {
    let organisation = caller.within(organisation)?;
    let author = new.author.as_deref().unwrap_or("api").trim();
    characters("author", author, 1..=200)?;
    app.store
        .set_consent(organisation, room, participant, new.granted, author)
        .await?;
    read(&app, organisation, room, participant).await
}

/// Reads whether a participant is recognised, and what was said about it.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/participants/{participant}/consent",
    tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("participant" = Uuid, Path)),
    responses((status = 200, description = "As it is now", body = Consent), ApiErrors),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, participant)): Path<(Uuid, Uuid, Uuid)>,
) -> Result<Json<Consent>, Problem> {
    let organisation = caller.within(organisation)?;
    read(&app, organisation, room, participant).await
}
