//! `POST /v1/organisations/{organisation}/rooms/{room}/participants/{participant}/token`

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use store::{Room, RoomStatus};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem, ProblemKind};
use crate::livekit::JoinToken;

/// How long after the planned end a token still opens the room: meetings run over.
const TOKEN_AFTER_END: TimeDelta = TimeDelta::hours(1);

/// The way into the LiveKit room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// Signed for this participant and this room.
    pub token: String,
    /// Where to connect.
    pub livekit_url: String,
    /// Until when one can enter with it.
    pub expires_at: DateTime<Utc>,
}

/// A token for a participant of a room that is not over.
///
/// # Errors
/// It is over, or the configured secrets cannot sign.
pub fn issue(app: &App, room: &Room, participant: &store::Participant) -> Result<Token, Problem> {
    if matches!(room.status, RoomStatus::Ended | RoomStatus::Cancelled) {
        return Err(Problem::new(
            ProblemKind::Conflict,
            "the meeting is over or cancelled",
        ));
    }
    let (now, expires_at) = (app.now(), room.ends_at + TOKEN_AFTER_END);
    let JoinToken { token, expires_at } = app
        .livekit
        .join_token(
            &room.livekit_room,
            &participant.identity,
            &participant.name,
            now,
            expires_at,
        )
        .map_err(|error| {
            tracing::error!(%error, "no token");
            Problem::new(ProblemKind::Internal, "the token could not be signed")
        })?;
    Ok(Token {
        token,
        livekit_url: app.livekit.public_url().to_owned(),
        expires_at,
    })
}

/// Makes a token with which the participant enters this room, and only this one, until an hour after its end.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/participants/{participant}/token",
    tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("participant" = Uuid, Path)),
    responses(
        (status = 200, description = "The token", body = Token),
        (status = 409, description = "The meeting is over or cancelled", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn token(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, participant)): Path<(Uuid, Uuid, Uuid)>,
) -> Result<Json<Token>, Problem> {
    let organisation = caller.within(organisation)?;
    let (room, participant) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.participant(organisation, room, participant)
    )?;
    issue(&app, &room, &participant).map(Json)
}
