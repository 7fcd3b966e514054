//! `POST /webhooks/livekit`: what LiveKit saw becomes events of the room. Only requests that LiveKit signed with our key
//! are believed.

use std::collections::{HashSet, VecDeque};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use livekit_protocol::WebhookEvent;
use livekit_protocol::participant_info::Kind;
use parking_lot::Mutex;
use serde_json::json;

use crate::App;
use crate::http::{Problem, ProblemKind};

/// A room's webhook carries its participants' metadata, which we do not set.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
/// LiveKit sends an event again when our answer got lost; so many ids are remembered.
const SEEN_MAX: usize = 4096;
/// The events that become rows.
const RECORDED: [&str; 5] = [
    "room_started",
    "room_finished",
    "participant_joined",
    "participant_left",
    "participant_connection_aborted",
];

/// Ids of events that were recorded lately, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct SeenEvents {
    seen: Mutex<(HashSet<String>, VecDeque<String>)>,
}

impl SeenEvents {
    /// Whether the id is there.
    fn contains(&self, id: &str) -> bool {
        self.seen.lock().0.contains(id)
    }

    /// Remembers an id.
    fn insert(&self, id: String) {
        let (ids, order) = &mut *self.seen.lock();
        if ids.insert(id.clone()) {
            order.push_back(id);
            if order.len() > SEEN_MAX
                && let Some(oldest) = order.pop_front()
            {
                ids.remove(&oldest);
            }
        }
    }
}

/// Takes an event from LiveKit.
#[utoipa::path(post, path = "/webhooks/livekit", tag = "operation", security(()),
    request_body(content = String, content_type = "application/webhook+json", description = "An event, signed by LiveKit"),
    responses(
        (status = 204, description = "Recorded, or of no interest"),
        (status = 401, description = "Not signed by LiveKit with our key", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away; send it again", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn livekit(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    let event = verified(&app, &headers, &body).inspect_err(|_| app.metrics.webhook("refused"))?;
    let room = event
        .room
        .as_ref()
        .map(|room| room.name.as_str())
        .unwrap_or_default();
    if !RECORDED.contains(&event.event.as_str()) {
        app.metrics.webhook("ignored");
        return Ok(StatusCode::NO_CONTENT);
    }
    let Some((organisation, room)) = app.store.room_by_livekit_name(room).await? else {
        // Another application's room on the same server.
        app.metrics.webhook("ignored");
        return Ok(StatusCode::NO_CONTENT);
    };
    if app.seen_events.contains(&event.id) {
        app.metrics.webhook("repeated");
        return Ok(StatusCode::NO_CONTENT);
    }
    let data = match &event.participant {
        Some(participant) => json!({
            "source": "webhook",
            "livekit_event": event.id,
            "livekit_at": event.created_at,
            "identity": participant.identity,
            "agent": participant.kind == Kind::Agent as i32,
        }),
        None => json!({"source": "webhook", "livekit_event": event.id, "livekit_at": event.created_at}),
    };
    app.store
        .record_event(organisation, room, None, &event.event, data)
        .await?;
    app.seen_events.insert(event.id);
    app.metrics.webhook("recorded");
    Ok(StatusCode::NO_CONTENT)
}

fn verified(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<WebhookEvent, Problem> {
    let refused = |detail: &str| Problem::new(ProblemKind::Unauthorised, detail);
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| refused("the signature is missing"))?;
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let body = std::str::from_utf8(body).map_err(|_| refused("the event is not UTF-8"))?;
    app.livekit.webhooks().receive(body, token).map_err(|error| {
        tracing::warn!(%error, "a webhook was refused");
        refused("the signature does not fit the event")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ids_are_forgotten_first() {
        let seen = SeenEvents::default();
        for id in 0..=SEEN_MAX {
            seen.insert(id.to_string());
            seen.insert(id.to_string());
        }
        assert!(!seen.contains("0"));
        assert!(seen.contains("1") && seen.contains(&SEEN_MAX.to_string()));
    }
}
