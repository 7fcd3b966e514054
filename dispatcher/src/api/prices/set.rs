//! `PUT /v1/organisations/{organisation}/prices`

use axum::extract::State;
use uuid::Uuid;

use super::Price;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Sets a price from a moment on. What was used before that moment keeps its price; the same kind, engine, unit and moment
/// again replaces the price.
#[utoipa::path(put, path = "/v1/organisations/{organisation}/prices", tag = "organisations",
    operation_id = "set_price",
    params(("organisation" = Uuid, Path)), request_body = Price,
    responses((status = 200, description = "The price", body = Price), ApiErrors),
)]
pub async fn set(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Json(price): Json<Price>,
) -> Result<Json<Price>, Problem> {
    let organisation = caller.within(organisation)?;
    let price = store::Price::from(price);
    app.store.set_price(organisation, &price).await?;
    Ok(Json(price.into()))
}
