//! `PATCH /v1/organisations/{organisation}`

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Organisation;
use crate::App;
use crate::api::ApiErrors;
use crate::api::recognisers::{self, RecogniserKind};
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationChange {
    /// The recognisers of its rooms, the preferred one first: 1 to 4, each once. The others take over when it fails.
    #[schema(min_items = 1, max_items = 4)]
    recognisers: Vec<RecogniserKind>,
}

/// Changes an organisation's settings. A meeting that runs goes on with those it began with.
#[utoipa::path(patch, path = "/v1/organisations/{organisation}", tag = "organisations",
    params(("organisation" = Uuid, Path)), request_body = OrganisationChange,
    responses((status = 200, description = "The organisation as it is now", body = Organisation), ApiErrors),
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Json(change): Json<OrganisationChange>,
) -> Result<Json<Organisation>, Problem> {
    let organisation = caller.within(organisation)?;
    let recognisers = recognisers::check(&change.recognisers)?;
    let changed = app.store.set_recognisers(organisation, &recognisers).await?;
    tracing::info!(%organisation, ?recognisers, "recognisers chosen");
    Ok(Json(changed.into()))
}
