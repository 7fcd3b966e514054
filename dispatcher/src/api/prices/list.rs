//! `GET /v1/organisations/{organisation}/prices`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Price;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Prices in one answer.
const PRICES_MAX: i64 = 1000;

/// The prices of an organisation.
#[derive(Debug, Serialize, ToSchema)]
pub struct PriceList {
    /// By kind, engine and unit, the newest of each first; at most 1000.
    items: Vec<Price>,
}

/// Lists the prices.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/prices", tag = "organisations",
    operation_id = "list_prices",
    params(("organisation" = Uuid, Path)),
    responses((status = 200, description = "The prices", body = PriceList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
) -> Result<Json<PriceList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, prices) = tokio::try_join!(
        app.store.organisation(organisation),
        app.store.prices(organisation, PRICES_MAX)
    )?;
    Ok(Json(PriceList {
        items: prices.into_iter().map(Into::into).collect(),
    }))
}
