//! The core's plain data as the store's rows, and the store's errors as what the core needs to know of them.

use store::{
    AskedVia, CoverageState, HeardVoice, MicrophoneState, NewAnswer, NewMicrophone, NewSegment, NewStretch,
    NewUsage, PartialCaption, StoreError, VoiceMerge, VoiceNews, VoiceTurn,
};

use super::coverage::{Cover, GapReason, Microphone, Stretch};
use super::io::StoreFailure;
use super::outbox::Pressure;
use super::track::Speaker;
use super::types::{AnswerRow, Caption, Segment, UsageRow, Via};
use super::vocabulary::Known;
use super::voices::VoiceRows;

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

/// A stored segment as a caption of the room.
pub fn caption(segment: store::Segment) -> Caption {
    let ms = |ms: i64| u64::try_from(ms).unwrap_or(0);
    Caption {
        segment_id: segment.id,
        identity: segment.identity,
        speaker_name: segment.speaker_name,
        track_id: segment.track_id,
        start_ms: ms(segment.start_ms),
        end_ms: ms(segment.end_ms),
        text: segment.text,
        sequence: Some(segment.sequence),
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
        heard_start_ms: signed_ms(segment.heard_ms.0),
        heard_end_ms: signed_ms(segment.heard_ms.1),
        late: segment.late,
        usage: usage(segment.usage),
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

/// A stretch's row.
pub fn stretch(stretch: Stretch) -> NewStretch {
    let (state, reason) = match stretch.cover {
        Cover::Open => (CoverageState::Open, ""),
        Cover::Pending => (CoverageState::Pending, ""),
        Cover::Transcribed => (CoverageState::Transcribed, ""),
        Cover::Empty => (CoverageState::Empty, ""),
        Cover::Declined => (CoverageState::Declined, ""),
        Cover::Gap(reason) => (CoverageState::Gap, reason.as_str()),
    };
    NewStretch {
        id: stretch.id,
        identity: stretch.speaker.identity,
        speaker_name: stretch.speaker.name,
        track_id: stretch.speaker.track_id,
        start_ms: signed_ms(stretch.start_ms),
        end_ms: signed_ms(stretch.end_ms),
        state,
        reason: reason.to_owned(),
    }
}

/// A microphone's row.
pub fn microphone((speaker, microphone): (Speaker, Microphone)) -> NewMicrophone {
    NewMicrophone {
        track_id: speaker.track_id,
        identity: speaker.identity,
        speaker_name: speaker.name,
        state: match microphone {
            Microphone::Heard => MicrophoneState::Heard,
            Microphone::HeardUntil(until_ms) => MicrophoneState::HeardUntil(signed_ms(until_ms)),
            Microphone::Closed => MicrophoneState::Closed,
        },
    }
}

/// Turns and voices.
pub fn voices(rows: VoiceRows) -> VoiceNews {
    let turns = rows.turns.into_iter().map(|row| VoiceTurn {
        identity: row.identity,
        utterance: signed_ms(row.id.utterance),
        turn: i32::try_from(row.id.turn).unwrap_or(i32::MAX),
        start_ms: signed_ms(row.start_ms),
        end_ms: signed_ms(row.end_ms),
        label: row.label.and_then(|label| i32::try_from(label).ok()),
        overlapped: row.overlapped,
    });
    let voices = rows.voices.into_iter().map(|row| HeardVoice {
        identity: row.identity,
        label: label(row.label),
        sound: row.sound,
        heard_ms: signed_ms(row.heard_ms),
        person: row.person,
    });
    let merges = rows.merges.into_iter().map(|(identity, from, into)| VoiceMerge {
        identity,
        from: label(from),
        into: label(into),
    });
    VoiceNews {
        turns: turns.collect(),
        voices: voices.collect(),
        merges: merges.collect(),
    }
}

/// A label as the database counts it.
pub fn label(label: speech::VoiceLabel) -> i32 {
    i32::try_from(label).unwrap_or(i32::MAX)
}

/// What a session under load leaves out.
pub fn pressure(pressure: Pressure) -> store::Pressure {
    match pressure {
        Pressure::None => store::Pressure::None,
        Pressure::NoPartials => store::Pressure::NoPartials,
        Pressure::NoAudio => store::Pressure::NoAudio,
    }
}

/// What nobody heard before this session came.
pub fn unheard(stretch: store::Stretch) -> Stretch {
    let ms = |signed: i64| u64::try_from(signed).unwrap_or(0);
    Stretch {
        id: stretch.id,
        speaker: Speaker {
            identity: stretch.identity,
            name: stretch.speaker_name,
            track_id: stretch.track_id,
        },
        start_ms: ms(stretch.start_ms),
        end_ms: ms(stretch.end_ms),
        cover: Cover::Gap(GapReason::NoAgent),
    }
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
