//! `GET /rooms/{room}/captions/transcript`: the transcript as a file, for whoever may watch the captions. It is what the
//! page shows, so the page's own link opens it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use uuid::Uuid;

use super::captions::{LinkQuery, check};
use super::problem;
use crate::App;
use crate::api::rooms::export::{ExportQuery, asked};
use crate::export::download::download;
use crate::http::{Path, Problem, Query};

/// What was said until now, as a file.
#[utoipa::path(get, path = "/rooms/{room}/captions/transcript", tag = "pages", security(()),
    operation_id = "captions_transcript",
    params(("room" = Uuid, Path), LinkQuery, ExportQuery),
    responses(
        (status = 200, description = "The file, as an attachment: see the export of a room"),
        (status = 400, description = "There is no such format", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The link is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn transcript(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Query(LinkQuery { key }): Query<LinkQuery>,
    Query(query): Query<ExportQuery>,
    headers: HeaderMap,
) -> Response {
    let file = async || -> Result<Response, Problem> {
        // The link first: without one nobody learns anything.
        let claims = check(&app, room, &key)?;
        let format = asked(query.format.as_deref())?;
        download(app.clone(), claims.organisation, room, format).await
    };
    file().await.unwrap_or_else(|error| problem(&headers, error))
}
