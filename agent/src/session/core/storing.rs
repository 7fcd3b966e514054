//! What follows when the database has answered: a caption is final, or its time is accounted for otherwise.

use serde_json::json;

use super::super::coverage::{Cover, GapReason, Stretch};
use super::super::io::{Output, StoreFailure};
use super::super::outbox::Write;
use super::super::track::{Ear, Speaker};
use super::super::types::{Line, Segment};
use super::{Phase, Session};

/// Lines of the transcript that the answerer sees.
const LINES_MAX: usize = 12;

impl<E: Ear> Session<E> {
    pub(super) fn stored(&mut self, ticket: u64, result: Result<Option<i64>, StoreFailure>, now_ms: u64) {
        match result {
            Err(StoreFailure::Fenced) => self.fenced(Some(ticket), now_ms),
            Err(StoreFailure::Away) => self.outbox.failed(ticket, now_ms),
            Err(StoreFailure::Refused) => {
                // Waiting does not help: it would only hold up everything behind it.
                match self.outbox.finished(ticket) {
                    Some(Write::Usage(rows)) => self.usage.confirmed(&rows),
                    Some(Write::Segment(segment)) => {
                        let range = json!({ "segment": segment.id, "start_ms": segment.start_ms, "end_ms": segment.end_ms });
                        self.event("segment_refused", range);
                        self.outbox.push(Write::Usage(segment.usage.clone()));
                        self.coverage.restate(refused(segment));
                    }
                    Some(Write::Coverage(_)) => self.coverage.confirmed(),
                    Some(Write::Voices(_) | Write::VoiceName(_)) => self.voices.confirmed(),
                    _ => {}
                }
            }
            Ok(sequence) => match self.outbox.finished(ticket) {
                Some(Write::Segment(segment)) => self.segment_stored(segment, sequence.unwrap_or(0), now_ms),
                Some(Write::Usage(rows)) => self.usage.confirmed(&rows),
                Some(Write::Coverage(_)) => self.coverage.confirmed(),
                Some(Write::Voices(_) | Write::VoiceName(_)) => self.voices.confirmed(),
                _ => {}
            },
        }
    }

    pub(super) fn segment_stored(&mut self, segment: Segment, sequence: i64, now_ms: u64) {
        self.coverage.stored(segment.heard_ms);
        // The room is another agent's: its people are told by the record alone.
        if matches!(self.phase, Phase::HandingIn { .. }) {
            return;
        }
        self.heard_words(&segment, now_ms);
        self.lines.push_back(Line {
            segment_id: segment.id,
            speaker_name: segment.speaker_name.clone(),
            text: segment.text.clone(),
        });
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
        self.out.push(Output::Final(segment.caption(Some(sequence))));
    }
}

/// The stretch of a segment that the database will never take.
fn refused(segment: Segment) -> Stretch {
    Stretch {
        id: segment.id,
        speaker: Speaker {
            identity: segment.identity,
            name: segment.speaker_name,
            track_id: segment.track_id,
        },
        start_ms: segment.heard_ms.0,
        end_ms: segment.heard_ms.1,
        cover: Cover::Gap(GapReason::SegmentRefused),
    }
}
