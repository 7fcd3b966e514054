//! What is on its way to the room: captions and chat. One message is sent at a time; while the room is slow
//! or reconnecting, a newer partial replaces the older one of its utterance and finals wait their turn.

use std::collections::VecDeque;

use uuid::Uuid;

use super::types::Caption;

/// Messages that may wait. Finals are in the database by then, so past the limit the oldest partial goes, and
/// when there is none, the oldest message: the room has been away for minutes.
pub const OUTGOING_MAX: usize = 1024;

/// Something for the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToRoom {
    /// A caption, partial or final.
    Caption(Caption),
    /// A chat message that carries an answer.
    Answer {
        /// The answer's id.
        id: Uuid,
        /// The whole message.
        text: String,
    },
    /// A chat message of the assistant that is no answer.
    Notice {
        /// The message.
        text: String,
    },
}

/// The queue.
#[derive(Debug, Default)]
pub struct Outgoing {
    queue: VecDeque<ToRoom>,
    dropped: u64,
}

impl Outgoing {
    /// Queues a message.
    pub fn push(&mut self, message: ToRoom) {
        match &message {
            ToRoom::Caption(caption) => {
                // Whatever of this utterance still waits is older than this.
                let same = |queued: &ToRoom| matches!(queued, ToRoom::Caption(old) if old.segment_id == caption.segment_id && !old.is_final());
                self.queue.retain(|queued| !same(queued));
            }
            ToRoom::Answer { .. } | ToRoom::Notice { .. } => {}
        }
        self.queue.push_back(message);
        if self.queue.len() > OUTGOING_MAX {
            let partial = self
                .queue
                .iter()
                .position(|m| matches!(m, ToRoom::Caption(caption) if !caption.is_final()));
            self.queue.remove(partial.unwrap_or(0));
            self.dropped += 1;
        }
    }

    /// The next message.
    pub fn pop(&mut self) -> Option<ToRoom> {
        self.queue.pop_front()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Messages that found no place.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caption(segment: u128, text: &str, sequence: Option<i64>) -> ToRoom {
        ToRoom::Caption(Caption {
            segment_id: Uuid::from_u128(segment),
            identity: "p-1".to_owned(),
            speaker_name: "Ann".to_owned(),
            track_id: "TR_1".to_owned(),
            start_ms: 0,
            end_ms: 1,
            text: text.to_owned(),
            sequence,
        })
    }

    #[test]
    fn a_newer_partial_and_the_final_replace_what_waits() {
        let mut outgoing = Outgoing::default();
        outgoing.push(caption(1, "a", None));
        outgoing.push(caption(2, "b", None));
        outgoing.push(caption(1, "a a", None));
        outgoing.push(caption(2, "b b", Some(1)));
        assert_eq!(outgoing.pop(), Some(caption(1, "a a", None)));
        assert_eq!(outgoing.pop(), Some(caption(2, "b b", Some(1))));
        assert!(outgoing.is_empty());
    }

    proptest! {
        #[test]
        fn finals_survive_any_number_of_partials(segments in prop::collection::vec(0_u128..3_000, 0..3_000)) {
            let mut outgoing = Outgoing::default();
            for sequence in 0..20 {
                outgoing.push(caption(10_000 + sequence as u128, "final", Some(sequence)));
            }
            for segment in segments {
                outgoing.push(caption(segment, "partial", None));
            }
            let mut finals = Vec::new();
            while let Some(message) = outgoing.pop() {
                if let ToRoom::Caption(Caption { sequence: Some(sequence), .. }) = message {
                    finals.push(sequence);
                }
            }
            prop_assert_eq!(finals, (0..20).collect::<Vec<i64>>());
        }
    }
}
