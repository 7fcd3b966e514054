//! The transcript as the API gives it, whole. The document is opened, segments are put in one by one, and it is closed.

use std::io;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Meeting, Writer};
use crate::api::rooms::transcript::Segment;

/// A meeting and all that was said in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TranscriptDocument {
    /// The room.
    room_id: Uuid,
    /// What it was about.
    title: String,
    /// When it began by plan.
    starts_at: DateTime<Utc>,
    /// Zero of the meeting clock.
    clock_origin: Option<DateTime<Utc>>,
    /// The names of those who were invited or spoke.
    participants: Vec<String>,
    /// In the order of their sequence numbers, without a gap. The last field: they are written as they are read.
    segments: Vec<Segment>,
}

/// How a document without segments ends.
const END: &[u8] = b"]}";

#[derive(Debug)]
pub(super) struct Json {
    empty: TranscriptDocument,
    is_first: bool,
}

impl Json {
    pub(super) fn new(meeting: Meeting) -> Self {
        Self {
            empty: TranscriptDocument {
                room_id: meeting.room,
                title: meeting.title,
                starts_at: meeting.starts_at,
                clock_origin: meeting.clock_origin,
                participants: meeting.participants,
                segments: Vec::new(),
            },
            is_first: true,
        }
    }
}

impl Writer for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.empty)?;
        out.truncate(out.len() - END.len());
        Ok(())
    }

    fn segment(&mut self, segment: store::Segment, out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        out.push(b'\n');
        serde_json::to_writer(out, &Segment::from(segment))?;
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(END);
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExportFormat::Json;
    use super::super::testing::{file, meeting, segment, segments};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn document(segments: &[store::Segment]) -> Value {
        serde_json::from_slice(&file(Json, meeting(), segments)).unwrap()
    }

    #[test]
    fn the_head_comes_before_the_segments() {
        let document = document(&[segment(1, 0, 500, "Yes.")]);
        assert_eq!(document["title"], "Visit");
        assert_eq!(document["starts_at"], "2026-01-01T10:00:00Z");
        assert_eq!(document["participants"], json!(["Ann", "Ben"]));
        assert_eq!(
            document["segments"][0]["speaker"],
            json!({"identity": "p-1", "name": "Ann"})
        );
        assert_eq!(document["segments"][0]["words"][0]["text"], "Yes.");
    }

    #[test]
    fn a_meeting_without_words_has_no_segments() {
        assert_eq!(document(&[])["segments"], json!([]));
    }

    proptest! {
        #[test]
        fn every_segment_is_in_it_as_it_was(segments in segments()) {
            let told: Vec<Segment> = segments.iter().cloned().map(Segment::from).collect();
            prop_assert_eq!(&document(&segments)["segments"], &serde_json::to_value(told).unwrap());
        }
    }
}
