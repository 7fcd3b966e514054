//! `PATCH /v1/organisations/{organisation}/rooms/{room}`

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Room, VoicePolicy};
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomChange {
    /// Whether people who share a microphone are told apart.
    voices: VoicePolicy,
}

/// Changes a room. It takes effect at once, for what is said from then on, also while the meeting runs.
#[utoipa::path(patch, path = "/v1/organisations/{organisation}/rooms/{room}", tag = "rooms",
    operation_id = "change_room",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)), request_body = RoomChange,
    responses(
        (status = 200, description = "The room as it is now", body = Room),
        (status = 409, description = "It is over or called off", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Json(change): Json<RoomChange>,
) -> Result<Json<Room>, Problem> {
    let organisation = caller.within(organisation)?;
    let changed = app
        .store
        .set_voice_policy(organisation, room, change.voices.into())
        .await?;
    tracing::info!(%organisation, %room, voices = changed.voices.as_str(), "room changed");
    Ok(Json(changed.into()))
}
