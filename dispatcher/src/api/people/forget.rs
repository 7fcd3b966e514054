//! `DELETE /v1/organisations/{organisation}/people/{person}`

use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Path, Problem};

/// Forgets a person's voice. Names that somebody gave in a transcript stay; those by which only the voice was recognised go.
#[utoipa::path(delete, path = "/v1/organisations/{organisation}/people/{person}", tag = "organisations",
    operation_id = "forget_person",
    params(("organisation" = Uuid, Path), ("person" = Uuid, Path)),
    responses((status = 204, description = "The voice is forgotten"), ApiErrors),
)]
pub async fn forget(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, person)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let organisation = caller.within(organisation)?;
    app.store.forget_person(organisation, person).await?;
    tracing::info!(%organisation, %person, "a voice is forgotten");
    Ok(StatusCode::NO_CONTENT)
}
