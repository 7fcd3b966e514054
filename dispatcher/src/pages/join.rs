//! `GET /join/{room}`: the page on which a person with a microphone enters. `POST /join/{room}`: their way in. No API key
//! comes near the browser: the link is all it has.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::captions::LinkQuery;
use super::{Connects, page as respond, problem};
use crate::App;
use crate::api::participants::create::clean_name;
use crate::api::participants::token::issue;
use crate::http::{Json, Path, Problem, Query};
use crate::links::{Claims, Purpose};

#[derive(Template)]
#[template(path = "join.html")]
struct JoinPage {
    title: String,
    organisation: String,
    assistant: String,
    starts_at: DateTime<Utc>,
    over: bool,
    room: Uuid,
    key: String,
    installed: bool,
}

/// The page on which a person enters a room.
#[utoipa::path(get, path = "/join/{room}", tag = "pages", security(()),
    params(("room" = Uuid, Path), LinkQuery),
    responses(
        (status = 200, description = "A page", content_type = "text/html", body = String),
        (status = 401, description = "The link is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn page(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Query(LinkQuery { key }): Query<LinkQuery>,
    headers: HeaderMap,
) -> Response {
    let render = async || -> Result<Response, Problem> {
        let claims = app.links.verify(&key, room, &[Purpose::Join], app.now())?;
        let (room, organisation) = tokio::try_join!(
            app.store.room(claims.organisation, room),
            app.store.organisation(claims.organisation)
        )?;
        let page = JoinPage {
            title: room.title,
            organisation: organisation.name,
            assistant: organisation.assistant_name,
            starts_at: room.starts_at,
            over: matches!(
                room.status,
                store::RoomStatus::Ended | store::RoomStatus::Cancelled
            ),
            room: room.id,
            key: key.clone(),
            installed: app.livekit_client.is_some(),
        };
        Ok(respond(
            StatusCode::OK,
            &page,
            &Connects(&livekit_addresses(app.livekit.public_url())),
        ))
    };
    render().await.unwrap_or_else(|error| problem(&headers, error))
}

/// LiveKit by WebSocket, and by HTTP: the client asks there why a connection was refused.
fn livekit_addresses(url: &str) -> Vec<String> {
    let url = url.trim_end_matches('/');
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let secure = url.starts_with("wss") || url.starts_with("https");
    let (socket, http) = if secure { ("wss", "https") } else { ("ws", "http") };
    vec![format!("{socket}://{rest}"), format!("{http}://{rest}")]
}

/// Who wants to enter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enter {
    /// The token of the link, or the `rejoin_key` of an earlier answer.
    key: String,
    /// The name under the captions, 1 to 100 characters. Not needed with a `rejoin_key`.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
}

/// The way in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entered {
    /// For LiveKit.
    token: String,
    /// Where to connect.
    livekit_url: String,
    /// Until when one can enter with the token.
    expires_at: DateTime<Utc>,
    /// The identity in the room.
    identity: String,
    /// The name under the captions.
    name: String,
    /// With it the same person enters again and takes no second seat, and says whether they agree to be recognised.
    rejoin_key: String,
    /// Whether what they say is recognised.
    recognised: bool,
}

/// Gives a person with a link their way into the room. Each first entry takes a seat; the room's capacity is the limit.
#[utoipa::path(post, path = "/join/{room}", tag = "pages", security(()),
    params(("room" = Uuid, Path)), request_body = Enter,
    responses(
        (status = 200, description = "The way in", body = Entered),
        (status = 400, description = "The name is outside its limits, or the room is full", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The link is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The meeting is over or cancelled", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn enter(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Json(enter): Json<Enter>,
) -> Result<Json<Entered>, Problem> {
    let claims = app
        .links
        .verify(&enter.key, room, &[Purpose::Join, Purpose::Rejoin], app.now())?;
    let organisation = claims.organisation;
    let room = app.store.room(organisation, room).await?;
    let participant = match claims.purpose {
        Purpose::Rejoin => {
            app.store
                .participant(organisation, room.id, claims.participant)
                .await?
        }
        _ => {
            let name = clean_name(enter.name.as_deref().unwrap_or_default())?;
            let new = store::NewParticipant {
                name,
                kind: store::ParticipantKind::Client,
            };
            app.store.add_participant(organisation, room.id, &new).await?
        }
    };
    let recognised = app
        .store
        .consents(organisation, room.id)
        .await?
        .allow(&participant.identity);
    let token = issue(&app, &room, &participant)?;
    let rejoin_key = app.links.sign(Claims {
        purpose: Purpose::Rejoin,
        participant: participant.id,
        ..claims
    });
    Ok(Json(Entered {
        token: token.token,
        livekit_url: token.livekit_url,
        expires_at: token.expires_at,
        identity: participant.identity,
        name: participant.name,
        rejoin_key,
        recognised,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_may_reach_livekit_by_socket_and_by_http() {
        assert_eq!(
            livekit_addresses("ws://127.0.0.1:7880"),
            ["ws://127.0.0.1:7880", "http://127.0.0.1:7880"]
        );
        assert_eq!(
            livekit_addresses("https://lk.example/"),
            ["wss://lk.example", "https://lk.example"]
        );
    }
}
