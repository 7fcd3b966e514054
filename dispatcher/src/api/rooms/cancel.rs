//! `POST /v1/organisations/{organisation}/rooms/{room}/cancel`

use axum::extract::State;
use uuid::Uuid;

use super::Room;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Calls a room off: no agent comes any more, and whoever is in it is sent out. Twice is the same as once.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/cancel", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses(
        (status = 200, description = "It is called off", body = Room),
        (status = 409, description = "It is over already", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<Room>, Problem> {
    let organisation = caller.within(organisation)?;
    let room = app.store.cancel_room(organisation, room).await?;
    tracing::info!(%organisation, room = %room.id, "room cancelled");
    // The row decides: no new agent gets the room. Closing it at LiveKit only hurries whoever is still there.
    if let Err(error) = app.livekit.close_room(&room.livekit_room).await {
        app.metrics.failure("livekit");
        tracing::warn!(room = %room.id, %error, "a cancelled room could not be closed at LiveKit");
    }
    Ok(Json(room.into()))
}
