//! `GET /v1/organisations/{organisation}/rooms/{room}/transcript/export`

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::export::download::download;
use crate::export::{ExportFormat, TranscriptDocument};
use crate::http::{Path, Problem, Query};

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// What the transcript is wanted as.
    #[param(value_type = ExportFormat, required = true)]
    pub(crate) format: Option<String>,
}

/// Reads the whole transcript as a file. While the meeting runs it is what was said until now.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/transcript/export", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ExportQuery),
    responses(
        (status = 200, description = "The file, as an attachment; of `seglst` a list, which is JSON too", content(
            (String = "text/vtt"),
            (String = "application/x-subrip"),
            (String = "text/plain"),
            (String = "text/markdown"),
            (TranscriptDocument = "application/json"),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        )),
        (status = 409, description = "The transcript has more segments than a file takes", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn export(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let organisation = caller.within(organisation)?;
    let format = asked(query.format.as_deref())?;
    download(app, organisation, room, format).await
}

/// The format of a request.
pub(crate) fn asked(format: Option<&str>) -> Result<ExportFormat, Problem> {
    format.and_then(ExportFormat::named).ok_or_else(|| {
        let names = ExportFormat::ALL.map(ExportFormat::name);
        Problem::field("format", format_args!("one of {}", names.join(", ")))
    })
}
