//! `GET` and `POST /v1/organisations/{organisation}/rooms/{room}/segments/{segment}/corrections`

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::api::participants::create::clean_name;
use crate::caller::Caller;
use crate::corrections::correct;
use crate::http::{Json, Path, Problem};

/// What was really said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCorrection {
    /// At most 4000 characters; empty if nothing was said, `null` if what was recognised is right after all.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(max_length = 4000, required)]
    text: Option<String>,
    /// Who says so, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    author: String,
    /// The revision that the author saw; the correction is refused if somebody was quicker.
    revision: Option<i64>,
}

/// A segment's new state.
#[derive(Debug, Serialize, ToSchema)]
pub struct Corrected {
    /// The segment's revision from now on.
    pub revision: i64,
}

/// A correction.
#[derive(Debug, Serialize, ToSchema)]
pub struct Correction {
    /// The revision that it made.
    revision: i64,
    /// What was said; `null` if what was recognised was restored.
    text: Option<String>,
    /// Who said so.
    author: String,
    /// When.
    at: DateTime<Utc>,
}

impl From<store::Correction> for Correction {
    fn from(correction: store::Correction) -> Self {
        Self {
            revision: correction.id,
            text: correction.text,
            author: correction.author,
            at: correction.at,
        }
    }
}

/// Corrects a segment, in the transcript, on the live pages and in every export. What was recognised stays in the record.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/segments/{segment}/corrections", tag = "rooms",
    operation_id = "correct_segment",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("segment" = Uuid, Path)), request_body = NewCorrection,
    responses(
        (status = 201, description = "It is corrected", body = Corrected),
        (status = 409, description = "Somebody was quicker, or it reads like this already", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, segment)): Path<(Uuid, Uuid, Uuid)>,
    Json(new): Json<NewCorrection>,
) -> Result<(StatusCode, Json<Corrected>), Problem> {
    let organisation = caller.within(organisation)?;
    let author =
        clean_name(&new.author).map_err(|_| Problem::field("author", "one line of 1 to 100 characters"))?;
    let text = new.text.as_deref();
    let revision = correct(&app, organisation, room, segment, text, &author, new.revision).await?;
    Ok((StatusCode::CREATED, Json(Corrected { revision })))
}

/// A segment's corrections, the oldest first.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/segments/{segment}/corrections", tag = "rooms",
    operation_id = "segment_corrections",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("segment" = Uuid, Path)),
    responses((status = 200, description = "At most 200", body = Vec<Correction>), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, segment)): Path<(Uuid, Uuid, Uuid)>,
) -> Result<Json<Vec<Correction>>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, corrections) = tokio::try_join!(
        app.store.segment(organisation, room, segment),
        app.store.corrections(organisation, room, segment)
    )?;
    Ok(Json(corrections.into_iter().map(Correction::from).collect()))
}
