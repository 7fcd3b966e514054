//! `GET /v1/organisations/{organisation}/documents/{document}`

use axum::extract::State;
use uuid::Uuid;

use super::Document;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Reads where a document stands.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/documents/{document}", tag = "documents",
    params(("organisation" = Uuid, Path), ("document" = Uuid, Path)),
    responses((status = 200, description = "The document", body = Document), ApiErrors),
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, document)): Path<(Uuid, Uuid)>,
) -> Result<Json<Document>, Problem> {
    let organisation = caller.within(organisation)?;
    Ok(Json(app.store.document(organisation, document).await?.into()))
}
