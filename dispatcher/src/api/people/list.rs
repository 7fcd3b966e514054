//! `GET /v1/organisations/{organisation}/people`

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::{Json, Path, Problem};

/// Somebody whose voice is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Person {
    /// Their id.
    id: Uuid,
    /// Their name.
    name: String,
    /// How much speech it rests on, in milliseconds.
    heard_ms: i64,
    /// Who said that they agreed.
    consent_by: String,
    /// Since when.
    created_at: DateTime<Utc>,
}

impl From<store::Person> for Person {
    fn from(person: store::Person) -> Self {
        let store::Person {
            id,
            name,
            heard_ms,
            consent_by,
            created_at,
            sound: _,
        } = person;
        Self {
            id,
            name,
            heard_ms,
            consent_by,
            created_at,
        }
    }
}

/// The people whose voices an organisation keeps.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonList {
    /// The newest first, at most 64: one more is refused.
    items: Vec<Person>,
}

/// Lists the people who are recognised by their voice.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/people", tag = "organisations",
    operation_id = "list_people",
    params(("organisation" = Uuid, Path)),
    responses((status = 200, description = "The people", body = PersonList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
) -> Result<Json<PersonList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, people) = tokio::try_join!(
        app.store.organisation(organisation),
        app.store.people(organisation)
    )?;
    Ok(Json(PersonList {
        items: people.into_iter().map(Person::from).collect(),
    }))
}
