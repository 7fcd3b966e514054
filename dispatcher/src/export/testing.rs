//! Meetings for the formats' tests.

use chrono::DateTime;
use proptest::prelude::*;
use sqlx::types::Json;
use store::{Segment, Turn, Word};
use uuid::Uuid;

use super::{ExportFormat, Meeting, writer};

pub(super) fn meeting() -> Meeting {
    Meeting {
        room: Uuid::from_u128(7),
        title: "Visit".to_owned(),
        starts_at: DateTime::from_timestamp(1_767_261_600, 0).unwrap(),
        clock_origin: None,
        participants: vec!["Ann".to_owned(), "Ben".to_owned()],
    }
}

/// Said by Ann, with words that share the time evenly.
pub(super) fn segment(sequence: i64, start_ms: i64, end_ms: i64, text: &str) -> Segment {
    let texts: Vec<&str> = text.split_whitespace().collect();
    let step = (end_ms - start_ms) / i64::try_from(texts.len().max(1)).unwrap();
    let words = (0..).zip(&texts).map(|(index, text)| Word {
        text: (*text).to_owned(),
        start_ms: start_ms + index * step,
        end_ms: start_ms + (index + 1) * step,
        confidence: 0.5,
    });
    Segment {
        id: Uuid::from_u128(sequence.unsigned_abs().into()),
        sequence,
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
        turns: None,
    }
}

/// Said at Ann's microphone, which she shares.
pub(crate) fn shared(start_ms: i64, end_ms: i64, text: &str, turns: Vec<Turn>) -> Segment {
    Segment {
        turns: Some(Json(turns)),
        ..segment(1, start_ms, end_ms, text)
    }
}

pub(super) fn turn(start_ms: i64, end_ms: i64, label: i32, name: Option<&str>) -> Turn {
    Turn {
        start_ms,
        end_ms,
        label: Some(label),
        name: name.map(str::to_owned),
        overlapped: false,
    }
}

/// Ben and somebody without a name, at Ann's microphone.
pub(super) fn dialogue() -> Segment {
    let turns = vec![turn(1_000, 2_000, 1, Some("Ben")), turn(2_000, 3_000, 2, None)];
    shared(1_000, 3_000, "Shall we? Yes, please.", turns)
}

pub(super) fn by(name: &str, segment: Segment) -> Segment {
    Segment {
        identity: format!("p-{name}"),
        speaker_name: name.to_owned(),
        ..segment
    }
}

/// The whole file.
pub(super) fn file(format: ExportFormat, meeting: Meeting, segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = writer(format, meeting);
    writer.begin(&mut out).unwrap();
    for segment in segments {
        writer.segment(segment.clone(), &mut out).unwrap();
    }
    writer.end(&mut out).unwrap();
    out
}

pub(super) fn text(format: ExportFormat, segments: &[Segment]) -> String {
    String::from_utf8(file(format, meeting(), segments)).unwrap()
}

/// What hurts one format or another, between ordinary words.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z]{1,9}[.,?]?",
        1 => Just("-->".to_owned()),
        1 => Just("<v Eve>&amp;</v>".to_owned()),
        1 => Just("]]>".to_owned()),
        1 => Just("**`_[x](y)\\$~~|".to_owned()),
        1 => Just("\n\n1\n00:00:01,000 --> 00:00:02,000\n".to_owned()),
        1 => Just("🦀👩‍👩‍👧".to_owned()),
        1 => "[\u{0}-\u{20}\u{7f}-\u{9f}\u{2028}\u{fffe}\u{ffff}]{1,3}",
        1 => "[a-z]{80,120}",
        1 => "\\PC{0,8}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

/// Segments in the order in which they began, of two speakers, whose words have any times at all.
pub(super) fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let word_times = prop::collection::vec((-5_000..40_000i64, -5_000..40_000i64), 0..8);
    let one = (
        0..60_000i64,
        0..30_000i64,
        hostile(),
        hostile(),
        any::<bool>(),
        word_times,
    );
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let mut segments: Vec<Segment> = (1..)
            .zip(all)
            .map(|(sequence, (start_ms, lasts_ms, said, name, has_words, times))| {
                let mut segment = by(&name, segment(sequence, start_ms, start_ms + lasts_ms, &said));
                for (word, (from, to)) in segment.words.0.iter_mut().zip(times) {
                    (word.start_ms, word.end_ms) = (start_ms + from, start_ms + to);
                }
                if !has_words {
                    segment.words.0.clear();
                }
                segment
            })
            .collect();
        segments.sort_by_key(|segment| (segment.start_ms, segment.sequence));
        segments
    })
}

/// The same, some of them of several voices.
pub(super) fn voiced() -> impl Strategy<Value = Vec<Segment>> {
    let label = prop::option::of(1..4);
    let one = (0..30_000i64, 0..9_000i64, label, hostile(), any::<bool>());
    let turns = prop::option::of(prop::collection::vec(one, 0..6));
    (segments(), prop::collection::vec(turns, 8)).prop_map(|(mut segments, turns)| {
        for (segment, turns) in segments.iter_mut().zip(turns) {
            let over = |(from_ms, lasts_ms, label, name, overlapped)| {
                let start_ms = segment.start_ms + from_ms;
                Turn {
                    start_ms,
                    end_ms: start_ms + lasts_ms,
                    label,
                    name: Some(name),
                    overlapped,
                }
            };
            segment.turns = turns.map(|turns| Json(turns.into_iter().map(over).collect()));
        }
        segments
    })
}
