//! `GET /v1/organisations/{organisation}/rooms/{room}`

use axum::extract::State;
use uuid::Uuid;

use super::Room;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Reads a room.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The room", body = Room), ApiErrors),
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<Room>, Problem> {
    let organisation = caller.within(organisation)?;
    Ok(Json(app.store.room(organisation, room).await?.into()))
}
