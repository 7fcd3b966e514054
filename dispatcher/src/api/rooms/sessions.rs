//! `GET /v1/organisations/{organisation}/rooms/{room}/sessions`

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Where an agent session stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// LiveKit was asked for an agent; none has come yet.
    Dispatched,
    /// An agent holds the room.
    Running,
    /// The agent gave the room back.
    Ended,
    /// Nobody came, or the agent was lost.
    Expired,
}

impl From<store::SessionStatus> for SessionStatus {
    fn from(status: store::SessionStatus) -> Self {
        match status {
            store::SessionStatus::Dispatched => Self::Dispatched,
            store::SessionStatus::Running => Self::Running,
            store::SessionStatus::Ended => Self::Ended,
            store::SessionStatus::Expired => Self::Expired,
        }
    }
}

/// One agent of the room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// 1 for the first agent of the room, 2 for the next.
    epoch: i64,
    /// Where it stands.
    status: SessionStatus,
    /// The worker that took it.
    worker: Option<String>,
    /// When LiveKit was asked.
    dispatched_at: DateTime<Utc>,
    /// When the agent took the room.
    joined_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    end_reason: Option<String>,
}

/// The agents of the room, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The sessions.
    items: Vec<Session>,
}

/// Reads who held the room, and when.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/sessions", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The sessions", body = SessionList), ApiErrors),
)]
pub async fn sessions(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<SessionList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, sessions) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.sessions(organisation, room)
    )?;
    let item = |session: store::AgentSession| Session {
        epoch: session.epoch,
        status: session.status.into(),
        worker: session.worker,
        dispatched_at: session.dispatched_at,
        joined_at: session.joined_at,
        ended_at: session.ended_at,
        end_reason: session.end_reason,
    };
    Ok(Json(SessionList {
        items: sessions.into_iter().map(item).collect(),
    }))
}
