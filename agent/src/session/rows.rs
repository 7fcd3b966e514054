//! The core's plain data as the store's rows, and the store's errors as what the core needs to know of them.

use store::{AskedVia, NewAnswer, NewSegment, NewUsage, PartialCaption, StoreError};

use super::io::StoreFailure;
use super::types::{AnswerRow, Caption, Segment, UsageRow, Via};
use super::vocabulary::Known;

/// Milliseconds of a meeting as the database counts them.
pub fn signed_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// The names and words of a meeting.
pub fn known(vocabulary: store::Vocabulary) -> Known {
    let store::Vocabulary {
        names,
        corrected,
        terms,
    } = vocabulary;
    Known {
        names,
        corrected,
        terms,
    }
}

/// A segment's row.
pub fn segment(segment: Segment) -> NewSegment {
    let words = segment.words.into_iter().map(|word| store::Word {
        text: word.text,
        start_ms: signed_ms(word.start_ms),
        end_ms: signed_ms(word.end_ms),
        confidence: word.confidence,
    });
    NewSegment {
        id: segment.id,
        identity: segment.identity,
        speaker_name: segment.speaker_name,
        track_id: segment.track_id,
        start_ms: signed_ms(segment.start_ms),
        end_ms: signed_ms(segment.end_ms),
        text: segment.text,
        words: words.collect(),
        engine: segment.engine,
    }
}

/// An answer's row.
pub fn answer(row: AnswerRow) -> NewAnswer {
    let sources = row.answer.sources.into_iter().map(|source| store::Source {
        passage_id: source.passage_id,
        document_title: source.document_title,
        heading: source.heading,
        page: source.page,
        quote: source.quote,
    });
    NewAnswer {
        id: row.question.id,
        asked_by: row.question.asked_by,
        via: match row.question.via {
            Via::Chat => AskedVia::Chat,
            Via::Voice => AskedVia::Voice,
            Via::Private => AskedVia::Private,
        },
        question: row.question.text,
        text: row.answer.text,
        grounded: row.answer.grounded,
        sources: sources.collect(),
        engine: row.answer.engine,
        latency_ms: signed_ms(row.latency_ms),
    }
}

/// Usage lines' rows.
pub fn usage(rows: Vec<UsageRow>) -> Vec<NewUsage> {
    let row = |row: UsageRow| NewUsage {
        id: row.id,
        kind: row.kind.to_owned(),
        unit: row.unit.to_owned(),
        quantity: row.quantity,
        engine: row.engine,
    };
    rows.into_iter().map(row).collect()
}

/// A partial for the live page.
pub fn partial(caption: &Caption) -> PartialCaption {
    PartialCaption {
        segment: caption.segment_id,
        identity: caption.identity.clone(),
        name: caption.speaker_name.clone(),
        text: caption.text.clone(),
        start_ms: signed_ms(caption.start_ms),
    }
}

/// What the core needs to know of an error.
pub fn failure(error: &StoreError) -> StoreFailure {
    match error {
        StoreError::Fenced { .. } => StoreFailure::Fenced,
        error if error.is_transient() => StoreFailure::Away,
        _ => StoreFailure::Refused,
    }
}
