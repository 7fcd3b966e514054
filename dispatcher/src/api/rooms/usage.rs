//! `GET /v1/organisations/{organisation}/rooms/{room}/usage`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// A sum over the meeting.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageItem {
    /// `audio_received`, `speech_detected`, `speech_recognised`, `recogniser_audio` (what a recognition service was sent),
    /// `recogniser_compute`, `answer`, ...
    kind: String,
    /// `seconds`, `tokens`, `count`.
    unit: String,
    /// How much.
    quantity: f64,
    /// The recogniser or model; empty where there is none.
    engine: String,
    /// What it cost by the prices that were valid when it was used, in millionths of the currency; nothing without a price.
    cost_micros: Option<i64>,
    /// Of the cost (ISO 4217).
    currency: Option<String>,
}

/// What the meeting used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageList {
    /// By kind, unit, engine and currency.
    items: Vec<UsageItem>,
}

/// Reads what the meeting used so far.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/usage", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The sums", body = UsageList), ApiErrors),
)]
pub async fn usage(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<UsageList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, usage) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.usage(organisation, room)
    )?;
    let item = |store::Usage {
                    kind,
                    unit,
                    quantity,
                    engine,
                    cost_micros,
                    currency,
                }| UsageItem {
        kind,
        unit,
        quantity,
        engine,
        cost_micros,
        currency,
    };
    Ok(Json(UsageList {
        items: usage.into_iter().map(item).collect(),
    }))
}
