//! `GET /v1/organisations/{organisation}/rooms/{room}/coverage`

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::{CoverageTotal, Stretch};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::within;
use crate::http::{Json, Path, Problem, Query};

/// Which part of the stretches.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CoverageQuery {
    /// Leave out so many stretches from the beginning; 0 unless given.
    #[param(minimum = 0)]
    skip: Option<i64>,
    /// At most this many stretches, 1 to 1000; 200 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// What became of what was said.
#[derive(Debug, Serialize, ToSchema)]
pub struct Coverage {
    /// The share of speech that is in the transcript, 0 to 1: what was recognised, noise included, against that and the
    /// gaps. Nothing before anybody spoke.
    covered: Option<f64>,
    /// The sums.
    tracks: Vec<TrackCoverage>,
    /// The ledger itself, in the order of the meeting.
    stretches: Vec<CoverageStretch>,
    /// Where the next page begins: give it as `skip`. Nothing after the last page.
    next_skip: Option<i64>,
}

/// The sums of a track, in milliseconds.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TrackCoverage {
    /// The LiveKit track.
    track_id: String,
    /// The identity in LiveKit.
    identity: String,
    /// The name then.
    name: String,
    /// In the transcript.
    transcribed_ms: i64,
    /// Of that, what had been a gap before.
    late_ms: i64,
    /// Recognised, without words.
    empty_ms: i64,
    /// The microphone was open, and the speaker has not agreed.
    declined_ms: i64,
    /// Being said, or on its way into the transcript.
    pending_ms: i64,
    /// Missing.
    gap_ms: i64,
    /// Missing, by reason.
    gaps: BTreeMap<String, i64>,
}

/// What became of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// It is being said.
    Open,
    /// It was said and is being recognised or stored.
    Pending,
    /// It is in the transcript.
    Transcribed,
    /// It was recognised, and there were no words in it.
    Empty,
    /// The speaker has not agreed to be recognised.
    Declined,
    /// It is missing.
    Gap,
}

impl From<store::CoverageState> for CoverageState {
    fn from(state: store::CoverageState) -> Self {
        match state {
            store::CoverageState::Open => Self::Open,
            store::CoverageState::Pending => Self::Pending,
            store::CoverageState::Transcribed => Self::Transcribed,
            store::CoverageState::Empty => Self::Empty,
            store::CoverageState::Declined => Self::Declined,
            store::CoverageState::Gap => Self::Gap,
        }
    }
}

/// A stretch of detected speech, or a time in which an open microphone was not heard.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageStretch {
    /// Its id; of a transcribed one the segment's.
    id: Uuid,
    /// The LiveKit track.
    track_id: String,
    /// The identity in LiveKit.
    identity: String,
    /// The name then.
    name: String,
    /// Milliseconds on the meeting clock.
    start_ms: i64,
    /// Milliseconds on the meeting clock.
    end_ms: i64,
    /// What became of it.
    state: CoverageState,
    /// Of a gap: `recogniser_failed`, `overload`, `outbox_full`, `connection_lost`, `segment_refused`, `agent_lost` (heard,
    /// but lost with the agent), `no_agent`.
    reason: Option<String>,
    /// Whether it had been a gap before.
    late: bool,
}

impl From<Stretch> for CoverageStretch {
    fn from(stretch: Stretch) -> Self {
        Self {
            id: stretch.id,
            track_id: stretch.track_id,
            identity: stretch.identity,
            name: stretch.speaker_name,
            start_ms: stretch.start_ms,
            end_ms: stretch.end_ms,
            state: stretch.state.into(),
            reason: Some(stretch.reason).filter(|reason| !reason.is_empty()),
            late: stretch.late,
        }
    }
}

/// The totals come sorted by track.
fn tracks(totals: Vec<CoverageTotal>) -> Vec<TrackCoverage> {
    let mut tracks: Vec<TrackCoverage> = Vec::new();
    for total in totals {
        let known =
            |track: &TrackCoverage| track.track_id == total.track_id && track.identity == total.identity;
        if !tracks.last().is_some_and(known) {
            tracks.push(TrackCoverage {
                track_id: total.track_id,
                identity: total.identity,
                name: total.speaker_name,
                ..TrackCoverage::default()
            });
        }
        let Some(track) = tracks.last_mut() else { continue };
        match total.state {
            store::CoverageState::Transcribed => {
                track.transcribed_ms += total.total_ms;
                track.late_ms += if total.late { total.total_ms } else { 0 };
            }
            store::CoverageState::Empty => track.empty_ms += total.total_ms,
            store::CoverageState::Declined => track.declined_ms += total.total_ms,
            store::CoverageState::Open | store::CoverageState::Pending => track.pending_ms += total.total_ms,
            store::CoverageState::Gap => {
                track.gap_ms += total.total_ms;
                *track.gaps.entry(total.reason).or_default() += total.total_ms;
            }
        }
    }
    tracks
}

/// Reads the coverage ledger: what became of every stretch of detected speech, and when open microphones were not heard.
/// The stretches of a track do not overlap. While the meeting runs, stretches change and gaps may be filled.
#[utoipa::path(get, path = "/v1/organisations/{organisation}/rooms/{room}/coverage", tag = "rooms",
    params(("organisation" = Uuid, Path), ("room" = Uuid, Path), CoverageQuery),
    responses((status = 200, description = "The ledger", body = Coverage), ApiErrors),
)]
pub async fn coverage(
    State(app): State<App>,
    caller: Caller,
    Path((organisation, room)): Path<(Uuid, Uuid)>,
    Query(query): Query<CoverageQuery>,
) -> Result<Json<Coverage>, Problem> {
    let organisation = caller.within(organisation)?;
    let skip = within("skip", query.skip.unwrap_or(0), 0..=i64::from(i32::MAX))?;
    let limit = within("limit", query.limit.unwrap_or(200), 1..=1000)?;
    let (_, totals, stretches) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.coverage_totals(organisation, room),
        app.store.coverage(organisation, room, skip, limit),
    )?;
    let page = stretches.len() as i64;
    Ok(Json(Coverage {
        covered: store::share_covered(&totals),
        tracks: tracks(totals),
        stretches: stretches.into_iter().map(Into::into).collect(),
        next_skip: (page == limit).then_some(skip + page),
    }))
}
