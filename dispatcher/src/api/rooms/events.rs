//! `GET /v1/organisations/{organisation}/rooms/{room}/events`

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem, Query};

/// Which part of the events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only what follows the event of this id; all unless given.
    #[serde(default)]
    #[param(minimum = 0)]
    after: i64,
    /// At most this many, 1 to 1000; 200 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// Something that happened in or around the room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Grows with time.
    id: i64,
    /// `room_scheduled`, `agent_joined`, `participant_left`, ...
    kind: String,
    /// The agent session it belongs to, if any.
    epoch: Option<i64>,
    /// Details by kind.
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// When.
    at: DateTime<Utc>,
}

/// Events in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    /// The events.
    items: Vec<Event>,
    /// Where the next page begins: give it as `after`.
    next_after: i64,
}

/// Reads what happened in and around the room.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/events", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), EventsQuery),
    responses((status = 200, description = "The events", body = EventList), ApiErrors),
)]
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventList>, Problem> {
    let organisation = caller.within(organisation)?;
    let limit = within("limit", query.limit.unwrap_or(200), 1..=1000)?;
    let (_, events) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.events(organisation, room, query.after, limit)
    )?;
    let item = |store::RoomEvent {
                    id,
                    epoch,
                    kind,
                    data,
                    at,
                }| Event {
        id,
        kind,
        epoch,
        data,
        at,
    };
    Ok(Json(EventList {
        next_after: events.last().map_or(query.after, |event| event.id),
        items: events.into_iter().map(item).collect(),
    }))
}
