//! Segments for the tests of voices.

use sqlx::types::Json;
use store::{Segment, Turn, Word};
use uuid::Uuid;

/// Said by the participant Ann, with words that share the time evenly.
pub(super) fn segment(start_ms: i64, end_ms: i64, text: &str, turns: Vec<Turn>) -> Segment {
    let texts: Vec<&str> = text.split_whitespace().collect();
    let step_ms = (end_ms - start_ms) / i64::try_from(texts.len().max(1)).unwrap();
    let words = (0..).zip(&texts).map(|(index, text)| Word {
        text: (*text).to_owned(),
        start_ms: start_ms + index * step_ms,
        end_ms: start_ms + (index + 1) * step_ms,
        confidence: 0.5,
    });
    Segment {
        id: Uuid::nil(),
        sequence: 1,
        epoch: 1,
        identity: "p-1".to_owned(),
        speaker_name: "Ann".to_owned(),
        track_id: "TR_1".to_owned(),
        start_ms,
        end_ms,
        text: text.to_owned(),
        words: Json(words.collect()),
        engine: "test".to_owned(),
        revision: 0,
        corrected_by: None,
        recognised_text: None,
        late: false,
        turns: Some(Json(turns)),
    }
}

pub(super) fn turn(start_ms: i64, end_ms: i64, label: Option<i32>) -> Turn {
    Turn {
        start_ms,
        end_ms,
        label,
        name: None,
        overlapped: false,
    }
}
