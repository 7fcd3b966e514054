//! `GET /v1/organisations/{organisation}/rooms/{room}/voices`, `PUT` and `DELETE .../voices/{identity}/{label}`, and
//! `POST .../segments/{segment}/voice`

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::api::participants::create::clean_name;
use crate::caller::Caller;
use crate::http::extract::characters;
use crate::http::{Json, Path, Problem};
use crate::voices::{self, Named, Naming};

/// A voice at a participant's microphone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Voice {
    /// The identity in LiveKit whose microphone it is.
    identity: String,
    /// Its number there: 1, 2, ...; a number is never given to another voice.
    label: i32,
    /// Its name, given by somebody or that of the person it was recognised as; null as long as it has none.
    name: Option<String>,
    /// Who of the organisation's people it is.
    person_id: Option<Uuid>,
    /// How much of it was heard, in milliseconds.
    heard_ms: i64,
}

impl From<store::KnownVoice> for Voice {
    fn from(voice: store::KnownVoice) -> Self {
        let store::KnownVoice {
            identity,
            label,
            name,
            person,
            heard_ms,
            sound: _,
        } = voice;
        Self {
            identity,
            label,
            name,
            person_id: person,
            heard_ms,
        }
    }
}

/// The voices that are told apart in a room.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoiceList {
    /// By identity and label. Labels that turned out to be another one's voice are not among them.
    items: Vec<Voice>,
}

/// Lists the voices of those who share a microphone.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/voices", tag = "rooms",
    operation_id = "list_voices",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path)),
    responses((status = 200, description = "The voices", body = VoiceList), ApiErrors),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
) -> Result<Json<VoiceList>, Problem> {
    let organisation = caller.within(organisation)?;
    let (_, known) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.voices(organisation, room)
    )?;
    Ok(Json(VoiceList {
        items: known.into_iter().map(Voice::from).collect(),
    }))
}

/// A voice's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoiceName {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Who says so, 1 to 200 characters; `api` unless given.
    #[schema(min_length = 1, max_length = 200)]
    author: Option<String>,
}

fn author(given: Option<&str>) -> Result<String, Problem> {
    let author = given.unwrap_or("api").trim();
    characters("author", author, 1..=200)?;
    Ok(author.to_owned())
}

/// Gives a voice a name, in the transcript, on the live pages and in every export.
#[utoipa::path(put, path = "/v1/organisations/{organisation}/rooms/{room}/voices/{identity}/{label}", tag = "rooms",
    operation_id = "name_voice",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("identity" = String, Path), ("label" = i32, Path)),
    request_body = VoiceName,
    responses((status = 204, description = "It has the name"), ApiErrors),
)]
pub async fn name(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, identity, label)): Path<(Uuid, Uuid, String, i32)>,
    Json(new): Json<VoiceName>,
) -> Result<StatusCode, Problem> {
    let organisation = caller.within(organisation)?;
    let (name, author) = (clean_name(&new.name)?, author(new.author.as_deref())?);
    app.store
        .name_voice(organisation, room, &identity, label, Some(&name), &author)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a voice's name back, also one that it was recognised by: from then on only somebody gives it one.
#[utoipa::path(delete, path = "/v1/organisations/{organisation}/rooms/{room}/voices/{identity}/{label}", tag = "rooms",
    operation_id = "unname_voice",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("identity" = String, Path), ("label" = i32, Path)),
    responses((status = 204, description = "It has no name"), ApiErrors),
)]
pub async fn unname(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, identity, label)): Path<(Uuid, Uuid, String, i32)>,
) -> Result<StatusCode, Problem> {
    let organisation = caller.within(organisation)?;
    app.store
        .name_voice(organisation, room, &identity, label, None, "api")
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose voice is heard in a segment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentVoice {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Which of the segment's voices; the one that has most of its words unless given.
    label: Option<i32>,
    /// Who says so, 1 to 200 characters; `api` unless given.
    #[schema(min_length = 1, max_length = 200)]
    author: Option<String>,
    /// Whether the organisation keeps the voice, so that the person is recognised in its next meetings. It takes 2.5 seconds
    /// of speech, and has to be said before the meeting is over: then what voices sound like is forgotten.
    #[serde(default)]
    remember: bool,
    /// Who says that the person agreed to that, 1 to 200 characters; required with `remember`.
    #[schema(min_length = 1, max_length = 200)]
    consent_by: Option<String>,
}

/// A voice that has a name now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedVoice {
    /// The identity in LiveKit whose microphone it is.
    identity: String,
    /// Its number there.
    label: i32,
    /// Under whom the organisation keeps it, if it does.
    person_id: Option<Uuid>,
}

impl From<Named> for NamedVoice {
    fn from(named: Named) -> Self {
        let Named {
            identity,
            label,
            person,
        } = named;
        Self {
            identity,
            label,
            person_id: person,
        }
    }
}

/// Names the voice that is heard in a segment, and keeps it for the organisation's next meetings if its owner agreed.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms/{room}/segments/{segment}/voice", tag = "rooms",
    operation_id = "name_segment_voice",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), ("segment" = Uuid, Path)), request_body = SegmentVoice,
    responses(
        (status = 201, description = "It has the name", body = NamedVoice),
        (status = 409, description = "Nobody is told apart in the segment, or the voice cannot be kept", body = Problem, content_type = "application/problem+json"),
        ApiErrors,
    ),
)]
pub async fn name_from_segment(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room, segment)): Path<(Uuid, Uuid, Uuid)>,
    Json(new): Json<SegmentVoice>,
) -> Result<(StatusCode, Json<NamedVoice>), Problem> {
    let organisation = caller.within(organisation)?;
    let consent_by = new.consent_by.as_deref().map(str::trim);
    if let Some(consent_by) = consent_by {
        characters("consent_by", consent_by, 1..=200)?;
    }
    if new.remember && consent_by.is_none() {
        return Err(Problem::field("consent_by", "given with remember"));
    }
    let naming = Naming {
        segment,
        label: new.label,
        name: Some(clean_name(&new.name)?),
        author: author(new.author.as_deref())?,
        kept_with_consent_by: consent_by.filter(|_| new.remember).map(str::to_owned),
    };
    let named = voices::name(&app, organisation, room, &naming).await?;
    Ok((StatusCode::CREATED, Json(named.into())))
}
