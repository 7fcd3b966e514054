//! What the session used. What a segment cost is written with it, so that the transcript and the usage say the same after a
//! crash. Everything else is summed and written every few seconds; a line that is not confirmed yet keeps its kind back, so an
//! outage makes lines longer and never more numerous.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::Ids;
use super::types::UsageRow;

/// Between two writings.
pub const FLUSH_MS: u64 = 10_000;

/// What is counted, in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Audio that reached us, over all tracks.
    AudioReceived,
    /// Audio in which somebody spoke.
    SpeechDetected,
    /// Audio that a recogniser turned into a final.
    SpeechRecognised,
    /// Audio that a recognition service was sent, second tries, replays and partials included.
    RecogniserAudio,
    /// Time that recognisers computed, partials included.
    RecogniserCompute,
    /// Time that the networks computed that tell voices apart.
    VoicesCompute,
    /// Answers given.
    Answer,
    /// Tokens that a chat model read.
    AnswerTokensPrompt,
    /// Tokens that a chat model wrote.
    AnswerTokensCompletion,
}

impl Kind {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::AudioReceived => ("audio_received", "seconds"),
            Self::SpeechDetected => ("speech_detected", "seconds"),
            Self::SpeechRecognised => ("speech_recognised", "seconds"),
            Self::RecogniserAudio => ("recogniser_audio", "seconds"),
            Self::RecogniserCompute => ("recogniser_compute", "seconds"),
            Self::VoicesCompute => ("voices_compute", "seconds"),
            Self::Answer => ("answer", "count"),
            Self::AnswerTokensPrompt => ("answer_tokens_prompt", "tokens"),
            Self::AnswerTokensCompletion => ("answer_tokens_completion", "tokens"),
        }
    }
}

/// The sums.
#[derive(Debug, Default)]
pub struct Usage {
    sums: BTreeMap<(Kind, String), f64>,
    unconfirmed: BTreeSet<(&'static str, String)>,
    flush_at_ms: u64,
}

impl Usage {
    /// Adds to a sum.
    pub fn add(&mut self, kind: Kind, engine: &str, quantity: f64) {
        if quantity > 0.0 {
            *self.sums.entry((kind, engine.to_owned())).or_default() += quantity;
        }
    }

    /// Adds milliseconds to a sum of seconds.
    pub fn add_ms(&mut self, kind: Kind, engine: &str, ms: u64) {
        self.add(kind, engine, ms as f64 / 1000.0);
    }

    /// A line of its own, for what is written together with something else.
    pub fn line_ms(kind: Kind, engine: &str, ms: u64, ids: &mut Ids) -> UsageRow {
        let (name, unit) = kind.names();
        UsageRow {
            id: ids.fresh(),
            kind: name,
            unit,
            quantity: ms as f64 / 1000.0,
            engine: engine.to_owned(),
        }
    }

    /// The lines to write now: none before it is time, unless `at_once`.
    pub fn flush(&mut self, now_ms: u64, at_once: bool, ids: &mut Ids) -> Vec<UsageRow> {
        if !at_once && now_ms < self.flush_at_ms {
            return Vec::new();
        }
        self.flush_at_ms = now_ms + FLUSH_MS;
        let mut rows = Vec::new();
        let unconfirmed = &mut self.unconfirmed;
        self.sums.retain(|(kind, engine), quantity| {
            let (name, unit) = kind.names();
            if !unconfirmed.insert((name, engine.clone())) {
                return true;
            }
            rows.push(UsageRow {
                id: ids.fresh(),
                kind: name,
                unit,
                quantity: *quantity,
                engine: engine.clone(),
            });
            false
        });
        rows
    }

    /// Lines are written.
    pub fn confirmed(&mut self, rows: &[UsageRow]) {
        for row in rows {
            self.unconfirmed.remove(&(row.kind, row.engine.clone()));
        }
    }

    /// Whether anything is still to be written.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// When [`Usage::flush`] wants to be called.
    pub fn next_tick_ms(&self) -> u64 {
        self.flush_at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the lines are cut and delayed, their sum is what was used, and one kind has one line out.
        #[test]
        fn nothing_is_lost_or_counted_twice(steps in prop::collection::vec((0_u64..5_000, any::<bool>()), 1..60)) {
            let mut ids = Ids::new(1);
            let mut usage = Usage::default();
            let mut outstanding: Vec<UsageRow> = Vec::new();
            let (mut written_ms, mut used_ms, mut now_ms) = (0.0, 0, 0);
            for (ms, confirm) in steps {
                now_ms += 5_000;
                usage.add_ms(Kind::AudioReceived, "", ms);
                used_ms += ms;
                outstanding.extend(usage.flush(now_ms, false, &mut ids));
                prop_assert!(outstanding.len() <= 1);
                if confirm && let Some(row) = outstanding.pop() {
                    usage.confirmed(std::slice::from_ref(&row));
                    written_ms += row.quantity * 1000.0;
                }
            }
            for row in outstanding {
                usage.confirmed(std::slice::from_ref(&row));
                written_ms += row.quantity * 1000.0;
            }
            for row in usage.flush(now_ms, true, &mut ids) {
                written_ms += row.quantity * 1000.0;
            }
            prop_assert!(usage.is_empty());
            prop_assert!((written_ms - used_ms as f64).abs() < 1e-3);
        }
    }
}
