//! `GET /v1/organisations/{organisation}/rooms`

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Room;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem, Query};

/// How much of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// At most this many, 1 to 200; 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Rooms, the latest start first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomList {
    /// The rooms.
    items: Vec<Room>,
}

/// Lists rooms, the latest start first.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms", tag = "rooms",
    params(("organisation" = Uuid, Path), ListQuery),
    responses((status = 200, description = "The rooms", body = RoomList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Query(query): Query<ListQuery>,
) -> Result<Json<RoomList>, Problem> {
    let organisation = caller.within(organisation)?;
    let limit = within("limit", query.limit.unwrap_or(50), 1..=200)?;
    let (_, rooms) = tokio::try_join!(
        app.store.organisation(organisation),
        app.store.rooms(organisation, limit)
    )?;
    Ok(Json(RoomList {
        items: rooms.into_iter().map(Room::from).collect(),
    }))
}
