//! `GET /v1/organisations/{organisation}/rooms/{room}/participants`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Participant;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Everybody invited, in the order of invitation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipantList {
    /// The people.
    items: Vec<Participant>,
}

/// Lists who was invited.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/participants", tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The people", body = ParticipantList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<ParticipantList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, participants) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.participants(organisation, room)
    )?;
    Ok(Json(ParticipantList {
        items: participants.into_iter().map(Participant::from).collect(),
    }))
}
