//! What a captions page is sent.

use serde::Serialize;
use uuid::Uuid;

use crate::api::rooms::answers::{AskedVia as Via, Source};
use crate::api::rooms::transcript::VoicePart;

/// What a viewer is sent.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Item {
    /// Settled captions, in order; with the sequence number of the last.
    Segments(Vec<SegmentItem>),
    /// Settled captions that were sent before and read differently now.
    Corrections(Vec<SegmentItem>),
    /// Settled captions that were sent before and of which now others may have said parts.
    Voices(Vec<SegmentItem>),
    /// A caption that still changes.
    Partial(PartialItem),
    /// Answers; one that was sent before may come again and replaces itself.
    Answers(Vec<AnswerItem>),
    /// Everything that is not in the transcript, as it is now: what was filled in the meantime is not among it any more.
    Gaps(Vec<GapItem>),
    /// How the meeting and its captions are doing.
    Status(StatusItem),
}

impl Item {
    /// The name of the event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Segments(_) => "segments",
            Self::Corrections(_) => "corrections",
            Self::Voices(_) => "voices",
            Self::Partial(_) => "partial",
            Self::Answers(_) => "answers",
            Self::Gaps(_) => "gaps",
            Self::Status(_) => "status",
        }
    }

    /// The place that a browser gives back after a cut.
    pub fn place(&self) -> Option<i64> {
        match self {
            Self::Segments(segments) => segments.last().map(|segment| segment.sequence),
            _ => None,
        }
    }
}

/// A settled caption.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentItem {
    sequence: i64,
    id: Uuid,
    identity: String,
    name: String,
    text: String,
    start_ms: i64,
    /// 0 as it was recognised.
    revision: i64,
    /// Whose correction the text is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected_by: Option<String>,
    /// What was recognised, if the text is a correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognised_text: Option<String>,
    /// Whether it was recognised only after it had been a gap.
    late: bool,
    /// What each of those who share the microphone says of it; absent where nobody is told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    voices: Option<Vec<VoicePart>>,
}

impl From<store::Segment> for SegmentItem {
    fn from(segment: store::Segment) -> Self {
        Self {
            voices: VoicePart::of(&segment),
            sequence: segment.sequence,
            id: segment.id,
            identity: segment.identity,
            name: segment.speaker_name,
            text: segment.text,
            start_ms: segment.start_ms,
            revision: segment.revision,
            corrected_by: segment.corrected_by,
            recognised_text: segment.recognised_text,
            late: segment.late,
        }
    }
}

/// Something that is not in the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapItem {
    pub(super) id: Uuid,
    pub(super) name: String,
    /// `declined`, or why it is missing.
    pub(super) reason: String,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// A caption that still changes.
#[derive(Clone, Debug, Serialize)]
pub struct PartialItem {
    pub(super) id: Uuid,
    pub(super) identity: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) start_ms: i64,
}

/// A question with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerItem {
    pub(super) id: Uuid,
    pub(super) question: String,
    pub(super) text: String,
    pub(super) asked_by: String,
    pub(super) via: Via,
    pub(super) grounded: bool,
    pub(super) sources: Vec<Source>,
    /// On the meeting clock.
    pub(super) at_ms: i64,
}

/// How the meeting and its captions are doing.
#[derive(Clone, Debug, Serialize)]
pub struct StatusItem {
    pub(super) status: crate::api::rooms::RoomStatus,
    /// From the end of speech to the settled caption, the middle of the last ones.
    pub(super) settled_ms: Option<i64>,
    /// The share of speech that is in the transcript, 0 to 1.
    pub(super) coverage: Option<f64>,
    /// What is left out under load: `nothing`, `partials`, `audio`.
    pub(super) left_out: &'static str,
}
