//! `GET /join/{room}/voices`: the page of somebody in the room is told whose words are whose.

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::captions::LinkQuery;
use super::events::{COME_BACK, EVENTS_WAITING_MAX, stream};
use crate::App;
use crate::captions::tell;
use crate::http::{Path, Problem, ProblemKind, Query};
use crate::links::Purpose;

/// Server-sent events `voices`: of captions that the page has from the room, how many words in turn are whose where several
/// people share a microphone.
#[utoipa::path(get, path = "/join/{room}/voices", tag = "pages", security(()),
    params(("room" = Uuid, Path), LinkQuery),
    responses(
        (status = 200, description = "Events until the browser goes", content_type = "text/event-stream", body = String),
        (status = 401, description = "The key is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn whose(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Query(LinkQuery { key }): Query<LinkQuery>,
) -> Result<Response, Problem> {
    let claims = app.links.verify(&key, room, &[Purpose::Rejoin], app.now())?;
    // Before the first read: what changes after it is notified.
    let subscription = app
        .captions
        .subscribe(room)
        .map_err(|error| Problem::new(ProblemKind::Overloaded, error.to_string()))?;
    app.store.room(claims.organisation, room).await?;
    let (out, told) = mpsc::channel(EVENTS_WAITING_MAX);
    tokio::spawn(tell(app, claims, subscription, out));
    let event = |whose: Vec<_>| {
        let event = Event::default().event("voices").retry(COME_BACK);
        event.json_data(whose).unwrap_or_default()
    };
    Ok(stream(ReceiverStream::new(told).map(event)))
}
