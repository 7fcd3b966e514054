//! `DELETE /v1/organisations/{organisation}/documents/{document}`

use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Path, Problem};

/// Deletes a document with its passages. Answers that quoted it keep their quotes.
#[utoipa::path(delete, path = "/v1/organisations/{organisation}/documents/{document}", tag = "documents",
    params(("organisation" = Uuid, Path), ("document" = Uuid, Path)),
    responses((status = 204, description = "It is gone"), ApiErrors),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, document)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let organisation = caller.within(organisation)?;
    app.store.delete_document(organisation, document).await?;
    tracing::info!(%organisation, %document, "document deleted");
    Ok(StatusCode::NO_CONTENT)
}
