//! `GET /v1/organisations/{organisation}`

use axum::extract::State;
use uuid::Uuid;

use super::Organisation;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Reads an organisation.
#[utoipa::path(get, path = "/v1/organisations/{organisation}", tag = "organisations",
    params(("organisation" = Uuid, Path)),
    responses((status = 200, description = "The organisation", body = Organisation), ApiErrors),
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
) -> Result<Json<Organisation>, Problem> {
    let organisation = caller.within(organisation)?;
    Ok(Json(app.store.organisation(organisation).await?.into()))
}
