//! `GET /rooms/{room}/captions` and its stream of events.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use uuid::Uuid;

use super::events::{COME_BACK, EVENTS_WAITING_MAX, stream};
use super::{Connects, page as respond, problem};
use crate::App;
use crate::captions::{Item, watch};
use crate::http::{Path, Problem, ProblemKind, Query};
use crate::links::{Claims, LinkError, Purpose};

/// What a link carries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LinkQuery {
    /// The signed token of the link.
    #[serde(default)]
    pub(super) key: String,
}

#[derive(Template)]
#[template(path = "captions.html")]
struct CaptionsPage {
    title: String,
    assistant: String,
    starts_at: DateTime<Utc>,
    status: &'static str,
    events: String,
    /// Without the format, which the page adds.
    file: String,
    /// Where corrections go, for those who may make them.
    corrections: Option<String>,
    /// Where names of voices go, for the same.
    voices: Option<String>,
}

pub(super) fn check(app: &App, room: Uuid, key: &str) -> Result<Claims, LinkError> {
    let purposes = [Purpose::Captions, Purpose::Review];
    app.links.verify(key, room, &purposes, app.now())
}

/// The live captions of a room.
#[utoipa::path(get, path = "/rooms/{room}/captions", tag = "pages", security(()),
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
        let claims = check(&app, room, &key)?;
        let (room, organisation) = tokio::try_join!(
            app.store.room(claims.organisation, room),
            app.store.organisation(claims.organisation)
        )?;
        let reviewed = |part: &str| {
            (claims.purpose == Purpose::Review)
                .then(|| format!("/rooms/{}/captions/{part}?key={key}", room.id))
        };
        let page = CaptionsPage {
            assistant: organisation.assistant_name,
            events: format!("/rooms/{}/captions/events?key={key}", room.id),
            file: format!("/rooms/{}/captions/transcript?key={key}&format=", room.id),
            corrections: reviewed("corrections"),
            voices: reviewed("voices"),
            title: room.title,
            starts_at: room.starts_at,
            status: room.status.as_str(),
        };
        Ok(respond(StatusCode::OK, &page, &Connects(&[])))
    };
    render().await.unwrap_or_else(|error| problem(&headers, error))
}

/// Server-sent events: `segments` (settled, in order, each once), `corrections` (segments that were sent before and read
/// differently now), `voices` (the same, where others may have said parts), `partial`, `answers`, `gaps`, `status`.
///
/// A browser that comes back gives the id of the last event it saw and goes on from there.
#[utoipa::path(get, path = "/rooms/{room}/captions/events", tag = "pages", security(()),
    params(
        ("room" = Uuid, Path), LinkQuery,
        ("Last-Event-ID" = Option<i64>, Header, description = "The sequence number of the last segment seen"),
    ),
    responses(
        (status = 200, description = "Events until the browser goes", content_type = "text/event-stream", body = String),
        (status = 401, description = "The link is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn events(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Query(LinkQuery { key }): Query<LinkQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let claims = check(&app, room, &key)?;
    let after = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    // The seat comes before the first read: what is stored after that read is notified.
    let subscription = app
        .captions
        .subscribe(room)
        .map_err(|error| Problem::new(ProblemKind::Overloaded, error.to_string()))?;
    app.store.room(claims.organisation, room).await?;
    let (out, items) = mpsc::channel(EVENTS_WAITING_MAX);
    tokio::spawn(watch(app, claims, after.max(0), subscription, out));
    Ok(stream(ReceiverStream::new(items).map(|item| event(&item))))
}

fn event(item: &Item) -> Event {
    let mut event = Event::default().event(item.event()).retry(COME_BACK);
    if let Some(place) = item.place() {
        event = event.id(place.to_string());
    }
    event.json_data(item).unwrap_or_default()
}
