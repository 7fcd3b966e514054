//! `POST /join/{room}/consent`: somebody in the room says for themselves whether they are recognised.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::http::{Json, Path, Problem};
use crate::links::Purpose;

/// Whether the one who entered agrees to be recognised.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnConsent {
    /// The `rejoin_key` of the one who entered.
    key: String,
    /// What they say.
    granted: bool,
}

/// As it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Recognised {
    /// Whether they are recognised.
    recognised: bool,
}

/// Says for oneself whether one agrees to be recognised. It takes effect at once.
#[utoipa::path(post, path = "/join/{room}/consent", tag = "pages", security(()),
    params(("room" = Uuid, Path)), request_body = OwnConsent,
    responses(
        (status = 200, description = "As it is now", body = Recognised),
        (status = 401, description = "The key is forged, expired, or for another room", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn consent(
    State(app): State<App>,
    Path(room): Path<Uuid>,
    Json(own): Json<OwnConsent>,
) -> Result<Json<Recognised>, Problem> {
    let claims = app.links.verify(&own.key, room, &[Purpose::Rejoin], app.now())?;
    let participant = app
        .store
        .participant(claims.organisation, room, claims.participant)
        .await?;
    app.store
        .set_consent(
            claims.organisation,
            room,
            participant.id,
            own.granted,
            &participant.identity,
        )
        .await?;
    Ok(Json(Recognised {
        recognised: own.granted,
    }))
}
