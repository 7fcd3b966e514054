//! `POST /rooms/{room}/captions/corrections`: a reviewer's correction, from the captions page. It bears the name of the
//! professional whose link it is.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::captions::LinkQuery;
use crate::App;
use crate::api::rooms::corrections::Corrected;
use crate::corrections::correct;
use crate::http::{Json, Path, Problem, Query};
use crate::links::{Claims, Purpose};

/// Who has a reviewer's link for the room in the path. It is looked at before the body: without a link nobody learns
/// anything.
#[derive(Clone, Copy, Debug)]
pub struct Reviewer(Claims);

impl Reviewer {
    /// The organisation and its room.
    pub(super) fn room(&self) -> (Uuid, Uuid) {
        (self.0.organisation, self.0.room)
    }

    /// The name of the professional whose link it is.
    pub(super) async fn name(&self, app: &App) -> Result<String, Problem> {
        let (organisation, room) = self.room();
        let professional = app
            .store
            .participant(organisation, room, self.0.participant)
            .await?;
        Ok(professional.name)
    }
}

impl FromRequestParts<App> for Reviewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(room) = Path::<Uuid>::from_request_parts(parts, app).await?;
        let Query(LinkQuery { key }) = Query::from_request_parts(parts, app).await?;
        Ok(Self(app.links.verify(
            &key,
            room,
            &[Purpose::Review],
            app.now(),
        )?))
    }
}

/// What was really said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewerCorrection {
    /// The segment.
    segment: Uuid,
    /// At most 4000 characters; empty if nothing was said, `null` if what was recognised is right after all.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(max_length = 4000, required)]
    text: Option<String>,
    /// The revision that the page showed.
    revision: i64,
}

/// Corrects a caption for everybody who watches, and in the record.
#[utoipa::path(post, path = "/rooms/{room}/captions/corrections", tag = "pages", security(()),
    operation_id = "captions_correct",
    params(("room" = Uuid, Path), LinkQuery), request_body = ReviewerCorrection,
    responses(
        (status = 201, description = "It is corrected", body = Corrected),
        (status = 400, description = "The text is too long", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The link is forged, expired, for another room, or not a reviewer's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Somebody was quicker, or it reads like this already", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    reviewer: Reviewer,
    Json(new): Json<ReviewerCorrection>,
) -> Result<(StatusCode, Json<Corrected>), Problem> {
    let (organisation, room) = reviewer.room();
    let author = reviewer.name(&app).await?;
    let (text, seen) = (new.text.as_deref(), Some(new.revision));
    let revision = correct(&app, organisation, room, new.segment, text, &author, seen).await?;
    Ok((StatusCode::CREATED, Json(Corrected { revision })))
}
