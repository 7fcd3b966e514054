//! `GET /v1/organisations/{organisation}/rooms/{room}/transcript`

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem, Query};
use crate::voices;

const LIMIT_DEFAULT: i64 = 200;
const LIMIT_MAX: i64 = 1000;

/// Which part of the transcript.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TranscriptQuery {
    /// Only what follows this sequence number; 0, all, unless given.
    #[serde(default)]
    #[param(minimum = 0)]
    after_sequence: i64,
    /// At most this many, 1 to 1000; 200 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// A stretch of the transcript.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transcript {
    /// In order, without a gap.
    segments: Vec<Segment>,
    /// Where the next page begins: give it as `after_sequence`.
    next_after_sequence: i64,
}

/// One thing that was said.
#[derive(Debug, Serialize, ToSchema)]
pub struct Segment {
    /// 1, 2, 3, ... in the room, without a gap.
    sequence: i64,
    /// Its id, the same as `lk.segment_id` in the room.
    id: Uuid,
    /// Who said it.
    speaker: Speaker,
    /// The LiveKit track.
    track_id: String,
    /// The words as one text, as they read now.
    text: String,
    /// Milliseconds on the meeting clock.
    start_ms: i64,
    /// Milliseconds on the meeting clock.
    end_ms: i64,
    /// The words with their times.
    words: Vec<Word>,
    /// 0 as it was recognised; grows with every correction.
    revision: i64,
    /// Whose correction the text is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected_by: Option<String>,
    /// What was recognised, if the text is a correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognised_text: Option<String>,
    /// The recogniser.
    engine: String,
    /// Whether it was recognised only after it had been a gap.
    late: bool,
    /// What each of those who share the microphone says of it, in order; absent where nobody is told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    voices: Option<Vec<VoicePart>>,
}

/// What one voice says of a segment without a break.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VoicePart {
    /// Which of the voices at the participant's microphone; null where nobody is sure.
    label: Option<i32>,
    /// The voice's name, if it has one.
    name: Option<String>,
    /// Under which name it is shown: the voice's, or the participant's with its number.
    speaker: String,
    /// Its part of the text.
    text: String,
    /// Milliseconds on the meeting clock.
    start_ms: i64,
    /// Milliseconds on the meeting clock.
    end_ms: i64,
    /// Whether somebody else at the microphone spoke at the same time.
    overlapped: bool,
}

impl VoicePart {
    /// The parts of a segment; none where nobody is told apart in it.
    pub fn of(segment: &store::Segment) -> Option<Vec<Self>> {
        let part = |part: voices::Part| Self {
            speaker: voices::speaker(&segment.speaker_name, part.label, part.name.as_deref()),
            label: part.label,
            name: part.name,
            text: part.text,
            start_ms: part.start_ms,
            end_ms: part.end_ms,
            overlapped: part.overlapped,
        };
        Some(voices::parts(segment)?.into_iter().map(part).collect())
    }
}

/// Who speaks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Speaker {
    /// The identity in LiveKit.
    identity: String,
    /// The name then.
    name: String,
}

/// One recognised word.
#[derive(Debug, Serialize, ToSchema)]
pub struct Word {
    /// As it is written, with its punctuation.
    text: String,
    /// Milliseconds on the meeting clock.
    start_ms: i64,
    /// Milliseconds on the meeting clock.
    end_ms: i64,
    /// 0 to 1.
    confidence: f32,
}

impl From<store::Segment> for Segment {
    fn from(segment: store::Segment) -> Self {
        let word = |store::Word {
                        text,
                        start_ms,
                        end_ms,
                        confidence,
                    }| Word {
            text,
            start_ms,
            end_ms,
            confidence,
        };
        Self {
            voices: VoicePart::of(&segment),
            sequence: segment.sequence,
            id: segment.id,
            speaker: Speaker {
                identity: segment.identity,
                name: segment.speaker_name,
            },
            track_id: segment.track_id,
            text: segment.text,
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            words: segment.words.0.into_iter().map(word).collect(),
            engine: segment.engine,
            revision: segment.revision,
            corrected_by: segment.corrected_by,
            recognised_text: segment.recognised_text,
            late: segment.late,
        }
    }
}

/// Reads what was said. While the meeting runs, asking again with `next_after_sequence` gives what is new.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/transcript", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), TranscriptQuery),
    responses((status = 200, description = "A stretch of the transcript", body = Transcript), ApiErrors),
)]
pub async fn transcript(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Query(query): Query<TranscriptQuery>,
) -> Result<Json<Transcript>, Problem> {
    let organisation = caller.within(organisation)?;
    let limit = within("limit", query.limit.unwrap_or(LIMIT_DEFAULT), 1..=LIMIT_MAX)?;
    let after = within("after_sequence", query.after_sequence, 0..=i64::MAX)?;
    let (_, segments) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.segments(organisation, room, after, limit)
    )?;
    Ok(Json(Transcript {
        next_after_sequence: segments.last().map_or(after, |segment| segment.sequence),
        segments: segments.into_iter().map(Segment::from).collect(),
    }))
}
