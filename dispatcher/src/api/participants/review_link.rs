//! `POST /v1/organisations/{organisation}/rooms/{room}/participants/{participant}/review-link`

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use store::ParticipantKind;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem, ProblemKind};
use crate::links::{Claims, Purpose};

/// How long after the meeting its captions can still be corrected by link.
const REVIEW_AFTER: TimeDelta = TimeDelta::days(7);

/// The way to the captions page on which one can correct.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewLink {
    /// The live captions page with corrections.
    review_url: String,
    /// Until when it opens.
    expires_at: DateTime<Utc>,
}

/// Makes a link with which this professional watches the captions and corrects them. Corrections bear their name.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/participants/{participant}/review-link",
    tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("participant" = Uuid, Path)),
    responses(
        (status = 201, description = "The link", body = ReviewLink),
        (status = 403, description = "The participant is not a professional", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn review_link(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, participant)): Path<(Uuid, Uuid, Uuid)>,
) -> Result<(StatusCode, Json<ReviewLink>), Problem> {
    let organisation = caller.within(organisation)?;
    let (room, participant) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.participant(organisation, room, participant)
    )?;
    if participant.kind != ParticipantKind::Professional {
        let detail = "only a professional corrects captions";
        return Err(Problem::new(ProblemKind::Forbidden, detail));
    }
    let expires_at = room.ends_at + REVIEW_AFTER;
    let key = app.links.sign(Claims {
        purpose: Purpose::Review,
        organisation,
        room: room.id,
        participant: participant.id,
        expires_at: expires_at.timestamp(),
    });
    let review_url = format!("{}/rooms/{}/captions?key={key}", app.public_url, room.id);
    Ok((
        StatusCode::CREATED,
        Json(ReviewLink {
            review_url,
            expires_at,
        }),
    ))
}
