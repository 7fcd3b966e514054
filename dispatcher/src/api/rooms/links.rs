//! `POST /v1/organisations/{organisation}/rooms/{room}/links`

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};
use crate::links::{Claims, Purpose};

/// How long after the meeting its captions can still be looked at.
const CAPTIONS_AFTER: TimeDelta = TimeDelta::hours(24);
/// How long after the planned end one may still come in: meetings run over.
const JOIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// Links for people without an API key.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomLinks {
    /// The live captions page.
    captions_url: String,
    /// Until when it opens.
    captions_expires_at: DateTime<Utc>,
    /// The page on which a person with a microphone enters.
    join_url: String,
    /// Until when it opens.
    join_expires_at: DateTime<Utc>,
}

/// Makes links to the room's pages. Whoever has one can use it until it expires.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/links", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 201, description = "The links", body = RoomLinks), ApiErrors),
)]
pub async fn links(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<(axum::http::StatusCode, Json<RoomLinks>), Problem> {
    let organisation = caller.within(organisation)?;
    let room = app.store.room(organisation, room).await?;
    let token = |purpose, expires_at: DateTime<Utc>| {
        app.links.sign(Claims {
            purpose,
            organisation,
            room: room.id,
            participant: Uuid::nil(),
            expires_at: expires_at.timestamp(),
        })
    };
    let captions_expires_at = room.ends_at + CAPTIONS_AFTER;
    let join_expires_at = room.ends_at + JOIN_AFTER;
    let (base, id) = (&app.public_url, room.id);
    Ok((
        axum::http::StatusCode::CREATED,
        Json(RoomLinks {
            captions_url: format!(
                "{base}/rooms/{id}/captions?key={}",
                token(Purpose::Captions, captions_expires_at)
            ),
            captions_expires_at,
            join_url: format!("{base}/join/{id}?key={}", token(Purpose::Join, join_expires_at)),
            join_expires_at,
        }),
    ))
}
