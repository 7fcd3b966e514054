//! `POST /v1/organisations`

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Organisation;
use crate::App;
use crate::api::ApiErrors;
use crate::api::recognisers::{self, RecogniserKind};
use crate::http::{Json, Problem};

/// What participants call the assistant unless it is given a name.
const ASSISTANT_NAME: &str = "Rapporteur";

/// What is needed to make an organisation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganisation {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What participants call the assistant, 1 to 40 characters; `Rapporteur` unless given.
    #[schema(min_length = 1, max_length = 40)]
    assistant_name: Option<String>,
    /// Standing instructions for the assistant, at most 8000 characters.
    #[serde(default)]
    #[schema(max_length = 8000)]
    instructions: String,
    /// The recognisers of its rooms, the preferred one first: 1 to 4, each once; `whisper` unless given.
    #[schema(min_items = 1, max_items = 4)]
    recognisers: Option<Vec<RecogniserKind>>,
}

/// Makes an organisation.
#[utoipa::path(post, path = "/v1/organisations", tag = "organisations", request_body = NewOrganisation, responses(
    (status = 201, description = "It is made", body = Organisation), ApiErrors,
))]
pub async fn create(
    State(app): State<App>,
    Json(new): Json<NewOrganisation>,
) -> Result<(StatusCode, Json<Organisation>), Problem> {
    let new = store::NewOrganisation {
        name: new.name.trim().to_owned(),
        assistant_name: new
            .assistant_name
            .as_deref()
            .unwrap_or(ASSISTANT_NAME)
            .trim()
            .to_owned(),
        instructions: new.instructions,
        recognisers: recognisers::check(new.recognisers.as_deref().unwrap_or(&[RecogniserKind::Whisper]))?,
    };
    let organisation = app.store.create_organisation(&new).await?;
    Ok((StatusCode::CREATED, Json(organisation.into())))
}
