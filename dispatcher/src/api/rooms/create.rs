//! `POST /v1/organisations/{organisation}/rooms`

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ConsentPolicy, Room, VoicePolicy};
use crate::App;
use crate::api::ApiErrors;
use crate::api::recognisers::{self, RecogniserKind};
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem};

const CAPACITY_DEFAULT: i32 = 20;
const LENGTH_DEFAULT: TimeDelta = TimeDelta::hours(1);
/// A room is kept open at LiveKit for as long as its meeting may last.
const LENGTH_MAX: TimeDelta = TimeDelta::hours(24);

/// What is needed to schedule a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoom {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// When it begins (RFC 3339).
    starts_at: DateTime<Utc>,
    /// When it is over at the latest; an hour after its start unless given, at most 24 hours.
    ends_at: Option<DateTime<Utc>>,
    /// How many people may be invited, 2 to 500; 20 unless given.
    #[schema(minimum = 2, maximum = 500)]
    capacity: Option<i32>,
    /// For the assistant in this room, at most 8000 characters.
    #[serde(default)]
    #[schema(max_length = 8000)]
    instructions: String,
    /// Its recognisers, the preferred one first: 1 to 4, each once; those of the organisation unless given.
    #[schema(min_items = 1, max_items = 4)]
    recognisers: Option<Vec<RecogniserKind>>,
    /// Who may be recognised; `assumed` unless given.
    #[serde(default)]
    consent: ConsentPolicy,
    /// Whether people who share a microphone are told apart; `detect` unless given.
    #[serde(default)]
    voices: VoicePolicy,
}

impl NewRoom {
    fn check(self, now: DateTime<Utc>) -> Result<store::NewRoom, Problem> {
        let ends_at = self.ends_at.unwrap_or(self.starts_at + LENGTH_DEFAULT);
        if ends_at <= self.starts_at {
            return Err(Problem::field("ends_at", "after starts_at"));
        }
        if ends_at - self.starts_at > LENGTH_MAX {
            return Err(Problem::field("ends_at", "at most 24 hours after starts_at"));
        }
        if ends_at <= now {
            return Err(Problem::field("ends_at", "in the future"));
        }
        let capacity = self.capacity.unwrap_or(CAPACITY_DEFAULT);
        within("capacity", capacity.into(), 2..=500)?;
        Ok(store::NewRoom {
            title: self.title.trim().to_owned(),
            starts_at: self.starts_at,
            ends_at,
            capacity,
            instructions: self.instructions,
            recognisers: self.recognisers.as_deref().map(recognisers::check).transpose()?,
            consent: self.consent.into(),
            voices: self.voices.into(),
        })
    }
}

/// Schedules a room. The agent is there on time; nothing else is needed.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/rooms", tag = "rooms",
    params(("organisation" = Uuid, Path)), request_body = NewRoom,
    responses((status = 201, description = "It is scheduled", body = Room), ApiErrors),
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    Json(new): Json<NewRoom>,
) -> Result<(StatusCode, Json<Room>), Problem> {
    let organisation = caller.within(organisation)?;
    let new = new.check(app.now())?;
    let room = app.store.create_room(organisation, &new).await?;
    tracing::info!(%organisation, room = %room.id, starts_at = %room.starts_at, "room scheduled");
    Ok((StatusCode::CREATED, Json(room.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    fn room(starts: i64, ends: Option<i64>) -> NewRoom {
        NewRoom {
            title: " Visit ".into(),
            starts_at: at(starts),
            ends_at: ends.map(at),
            capacity: None,
            instructions: String::new(),
            recognisers: None,
            consent: ConsentPolicy::Assumed,
            voices: VoicePolicy::Detect,
        }
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let room = room(5, None).check(at(5)).unwrap();
        assert_eq!(
            (room.ends_at, room.capacity, room.title.as_str()),
            (at(6), 20, "Visit")
        );
    }

    #[test]
    fn the_end_is_after_the_start_within_a_day_and_not_past() {
        for (starts, ends) in [(5, Some(5)), (5, Some(4)), (5, Some(30)), (3, Some(5))] {
            let problem = room(starts, ends).check(at(5)).unwrap_err();
            assert_eq!(problem.errors[0].field, "ends_at", "{starts} {ends:?}");
        }
    }

    #[test]
    fn recognisers_are_named_once_each_and_there_is_one() {
        use RecogniserKind::{Deepgram, Openai, OpenaiRealtime, Whisper};
        let with = |recognisers: &[RecogniserKind]| {
            let recognisers = Some(recognisers.to_vec());
            NewRoom {
                recognisers,
                ..room(5, None)
            }
            .check(at(5))
        };
        let chosen = with(&[Openai, Deepgram, OpenaiRealtime, Whisper])
            .unwrap()
            .recognisers;
        assert_eq!(
            chosen.unwrap(),
            ["openai", "deepgram", "openai_realtime", "whisper"]
        );
        for wrong in [vec![], vec![Whisper, Openai, Whisper]] {
            let problem = with(&wrong).unwrap_err();
            assert_eq!(
                problem.detail,
                "recognisers must be 1 to 4 of deepgram, openai, openai_realtime, whisper, each once"
            );
        }
    }

    #[test]
    fn the_capacity_has_its_limits() {
        for capacity in [0, 1, 501, i32::MIN] {
            let problem = NewRoom {
                capacity: Some(capacity),
                ..room(5, None)
            }
            .check(at(5))
            .unwrap_err();
            assert_eq!(problem.detail, "capacity must be 2 to 500");
        }
    }
}
