//! `GET /v1/organisations/{organisation}/documents`

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Document;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem, Query};

/// How much of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DocumentsQuery {
    /// At most this many, 1 to 500; 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
}

/// Documents, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentList {
    /// The documents.
    items: Vec<Document>,
}

/// Lists the knowledge base, the newest first.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/documents", tag = "documents",
    params(("organisation" = Uuid, Path), DocumentsQuery),
    responses((status = 200, description = "The documents", body = DocumentList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Query(query): Query<DocumentsQuery>,
) -> Result<Json<DocumentList>, Problem> {
    let organisation = caller.within(organisation)?;
    let limit = within("limit", query.limit.unwrap_or(100), 1..=500)?;
    let (_, documents) = tokio::try_join!(
        app.store.organisation(organisation),
        app.store.documents(organisation, limit)
    )?;
    Ok(Json(DocumentList {
        items: documents.into_iter().map(Document::from).collect(),
    }))
}
