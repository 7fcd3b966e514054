//! `POST /rooms/{room}/captions/voices`: a reviewer says whose voice is heard in a caption. What they say bears the name of
//! the professional whose link it is.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::captions::LinkQuery;
use super::corrections::Reviewer;
use crate::App;
use crate::api::participants::create::clean_name;
use crate::api::rooms::voices::NamedVoice;
use crate::http::{Json, Problem};
use crate::voices::{self, Naming};

/// Whose voice is heard in a caption.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewerNaming {
    /// The segment.
    segment: Uuid,
    /// Which of its voices.
    label: i32,
    /// 1 to 100 characters; `null` takes the name back.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(min_length = 1, max_length = 100, required)]
    name: Option<String>,
    /// Whether the organisation keeps the voice, so that the person is recognised in its next meetings.
    #[serde(default)]
    remember: bool,
    /// Whether the person agreed to that; required with `remember`.
    #[serde(default)]
    agreed: bool,
}

/// Names a voice for everybody who watches, and in the record.
#[utoipa::path(post, path = "/rooms/{room}/captions/voices", tag = "pages", security(()),
    operation_id = "captions_name_voice",
    params(("room" = Uuid, Path), LinkQuery), request_body = ReviewerNaming,
    responses(
        (status = 201, description = "It is named", body = NamedVoice),
        (status = 400, description = "The name is too long, or the person has not agreed", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The link is forged, expired, for another room, or not a reviewer's", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The voice cannot be kept", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn name(
    State(app): State<App>,
    reviewer: Reviewer,
    Json(new): Json<ReviewerNaming>,
) -> Result<(StatusCode, Json<NamedVoice>), Problem> {
    if new.remember && !new.agreed {
        return Err(Problem::field(
            "agreed",
            "true: nobody's voice is kept without consent",
        ));
    }
    let (organisation, room) = reviewer.room();
    let author = reviewer.name(&app).await?;
    let naming = Naming {
        segment: new.segment,
        label: Some(new.label),
        name: new.name.as_deref().map(clean_name).transpose()?,
        kept_with_consent_by: new.remember.then(|| author.clone()),
        author,
    };
    let named = voices::name(&app, organisation, room, &naming).await?;
    Ok((StatusCode::CREATED, Json(named.into())))
}
