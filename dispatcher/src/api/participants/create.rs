//! `POST /v1/organisations/{organisation}/rooms/{room}/participants`

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Participant, ParticipantKind};
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::characters;
use crate::http::{Json, Path, Problem};

/// What is needed to invite somebody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewParticipant {
    /// The name under the captions, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `client` or `professional`.
    kind: ParticipantKind,
}

/// A name as it may stand under captions.
///
/// # Errors
/// It is too short, too long, or has control characters.
pub fn clean_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    characters("name", name, 1..=100)?;
    if name.chars().any(char::is_control) {
        return Err(Problem::field("name", "one line of text"));
    }
    Ok(name.to_owned())
}

/// Invites somebody. The room's capacity is the limit.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/participants", tag = "participants",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)), request_body = NewParticipant,
    responses(
        (status = 201, description = "They may enter", body = Participant),
        (status = 409, description = "The meeting is over or cancelled", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Json(new): Json<NewParticipant>,
) -> Result<(StatusCode, Json<Participant>), Problem> {
    let organisation = caller.within(organisation)?;
    let kind = match new.kind {
        ParticipantKind::Client => store::ParticipantKind::Client,
        ParticipantKind::Professional => store::ParticipantKind::Professional,
        ParticipantKind::Agent => return Err(Problem::field("kind", "client or professional")),
    };
    let new = store::NewParticipant {
        name: clean_name(&new.name)?,
        kind,
    };
    let participant = app.store.add_participant(organisation, room, &new).await?;
    Ok((StatusCode::CREATED, Json(participant.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_1_to_100_characters() {
        assert_eq!(clean_name("  Zoë ").unwrap(), "Zoë");
        assert!(clean_name(&"é".repeat(100)).is_ok());
        for bad in ["", "   ", "a\nb", "a\u{0}b"] {
            assert_eq!(clean_name(bad).unwrap_err().errors[0].field, "name");
        }
        assert!(clean_name(&"a".repeat(101)).is_err());
    }
}
