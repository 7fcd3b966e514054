//! What waits for the database, in order, one write at a time: finals first, everything else behind them.
//! Nothing that was said is ever thrown out; a full outbox closes the intake instead (see [`Pressure`]).

use std::collections::VecDeque;

use super::coverage::CoverageRows;
use super::types::{AnswerRow, EventRow, Segment, UsageRow};
use super::voices::{NameRow, VoiceRows};
use crate::worker::backoff::Backoff;

/// Finals that may wait; an hour of one person speaking is about 600.
pub const FINALS_MAX: usize = 512;
/// Bytes of finals that may wait.
pub const FINALS_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Answers, usage lines and events that may wait; events beyond it are dropped and counted.
pub const OTHERS_MAX: usize = 1024;
/// First and longest wait between two attempts.
const RETRY_MS: (u64, u64) = (100, 2_000);

/// Something to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A segment of the transcript.
    Segment(Segment),
    /// An answer.
    Answer(AnswerRow),
    /// Usage lines, all or none.
    Usage(Vec<UsageRow>),
    /// A room event.
    Event(EventRow),
    /// Lines of the coverage ledger, all or none. One at a time is under way.
    Coverage(CoverageRows),
    /// Who of several at one microphone speaks when. One at a time is under way.
    Voices(VoiceRows),
    /// A voice's name. Likewise.
    VoiceName(NameRow),
    /// What the session leaves out under load.
    Pressure(Pressure),
}

/// How full the outbox is, and so what the session still takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Everything.
    None,
    /// Half full: no partial captions, so that the recogniser serves finals only.
    NoPartials,
    /// Full: no audio. What was not heard is recorded as a gap.
    NoAudio,
}

/// The queue.
#[derive(Debug)]
pub struct Outbox {
    finals: VecDeque<Segment>,
    finals_bytes: usize,
    others: VecDeque<Write>,
    in_flight: Option<(u64, Write)>,
    tickets: u64,
    retry_at_ms: u64,
    backoff: Backoff,
    dropped: u64,
}

impl Outbox {
    /// An empty outbox; `seed` spreads the retries of many sessions.
    pub fn new(seed: u64) -> Self {
        Self {
            finals: VecDeque::new(),
            finals_bytes: 0,
            others: VecDeque::new(),
            in_flight: None,
            tickets: 0,
            retry_at_ms: 0,
            backoff: Backoff::new(RETRY_MS.0, RETRY_MS.1, seed),
            dropped: 0,
        }
    }

    /// Queues a write.
    pub fn push(&mut self, write: Write) {
        match write {
            Write::Segment(segment) => {
                self.finals_bytes += segment.weight_bytes();
                self.finals.push_back(segment);
            }
            Write::Event(_) if self.others.len() >= OTHERS_MAX => self.dropped += 1,
            other => self.others.push_back(other),
        }
    }

    /// The next write to send off, if none is on its way and no wait is on.
    pub fn next(&mut self, now_ms: u64) -> Option<(u64, Write)> {
        if self.in_flight.is_some() || now_ms < self.retry_at_ms {
            return None;
        }
        let write = match self.finals.pop_front() {
            Some(segment) => {
                self.finals_bytes = self.finals_bytes.saturating_sub(segment.weight_bytes());
                Write::Segment(segment)
            }
            None => self.others.pop_front()?,
        };
        self.tickets += 1;
        self.in_flight = Some((self.tickets, write.clone()));
        Some((self.tickets, write))
    }

    /// The write is in the database, or never will be: it leaves the outbox.
    pub fn finished(&mut self, ticket: u64) -> Option<Write> {
        self.backoff.reset();
        self.retry_at_ms = 0;
        self.in_flight
            .take_if(|(in_flight, _)| *in_flight == ticket)
            .map(|(_, write)| write)
    }

    /// The database was not there: the same write goes first again, after a wait.
    pub fn failed(&mut self, ticket: u64, now_ms: u64) {
        let Some((_, write)) = self.in_flight.take_if(|(in_flight, _)| *in_flight == ticket) else {
            return;
        };
        self.retry_at_ms = now_ms + self.backoff.next_ms();
        match write {
            Write::Segment(segment) => {
                self.finals_bytes += segment.weight_bytes();
                self.finals.push_front(segment);
            }
            other => self.others.push_front(other),
        }
    }

    /// What the session may still take in.
    pub fn pressure(&self) -> Pressure {
        let (finals, bytes) = (self.finals.len(), self.finals_bytes);
        if finals >= FINALS_MAX || bytes >= FINALS_MAX_BYTES {
            Pressure::NoAudio
        } else if finals >= FINALS_MAX / 2 || bytes >= FINALS_MAX_BYTES / 2 {
            Pressure::NoPartials
        } else {
            Pressure::None
        }
    }

    /// Another agent holds the room: only finals are still worth a try. They are handed in late, the one on its way too.
    pub fn keep_finals(&mut self, fenced_ticket: Option<u64>) {
        self.others.clear();
        if fenced_ticket.is_some()
            && let Some((_, Write::Segment(segment))) = self
                .in_flight
                .take_if(|(ticket, _)| Some(*ticket) == fenced_ticket)
        {
            self.finals_bytes += segment.weight_bytes();
            self.finals.push_front(segment);
        }
        self.in_flight
            .take_if(|(_, write)| !matches!(write, Write::Segment(_)));
        for segment in &mut self.finals {
            segment.late = true;
        }
    }

    /// When to ask [`Outbox::next`] again, if nothing else happens.
    pub fn next_tick_ms(&self) -> Option<u64> {
        (self.in_flight.is_none() && self.waiting() > 0).then_some(self.retry_at_ms)
    }

    /// Writes that are neither confirmed nor given up.
    pub fn waiting(&self) -> usize {
        self.finals.len() + self.others.len() + usize::from(self.in_flight.is_some())
    }

    /// Finals among them.
    pub fn finals_waiting(&self) -> usize {
        let in_flight = matches!(self.in_flight, Some((_, Write::Segment(_))));
        self.finals.len() + usize::from(in_flight)
    }

    /// Events that found no place.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn segment(number: u64) -> Segment {
        Segment {
            id: Uuid::from_u128(u128::from(number)),
            identity: "p-1".to_owned(),
            speaker_name: "Ann".to_owned(),
            track_id: "TR_1".to_owned(),
            start_ms: number,
            end_ms: number,
            text: "word".to_owned(),
            words: Vec::new(),
            engine: "test".to_owned(),
            heard_ms: (number, number),
            late: false,
            usage: Vec::new(),
        }
    }

    fn event() -> Write {
        Write::Event(EventRow {
            kind: "test",
            data: serde_json::Value::Null,
        })
    }

    #[test]
    fn finals_go_before_everything_else() {
        let mut outbox = Outbox::new(1);
        outbox.push(event());
        outbox.push(Write::Segment(segment(1)));
        assert!(matches!(outbox.next(0), Some((1, Write::Segment(_)))));
        assert!(outbox.next(0).is_none());
        outbox.finished(1);
        assert_eq!(outbox.next(0), Some((2, event())));
    }

    #[test]
    fn a_full_outbox_closes_the_intake_in_two_steps_and_keeps_what_it_has() {
        let mut outbox = Outbox::new(1);
        let mut steps = Vec::new();
        for number in 0..600 {
            outbox.push(Write::Segment(segment(number)));
            if steps.last() != Some(&outbox.pressure()) {
                steps.push(outbox.pressure());
            }
        }
        assert_eq!(steps, [Pressure::None, Pressure::NoPartials, Pressure::NoAudio]);
        assert_eq!(outbox.waiting(), 600);
    }

    #[test]
    fn events_beyond_the_limit_are_dropped_and_counted() {
        let mut outbox = Outbox::new(1);
        for _ in 0..OTHERS_MAX + 5 {
            outbox.push(event());
        }
        assert_eq!((outbox.waiting(), outbox.dropped()), (OTHERS_MAX, 5));
    }

    proptest! {
        /// A database that fails now and then sees every final, in order, each confirmed exactly once.
        #[test]
        fn every_final_arrives_in_order(fates in prop::collection::vec(any::<bool>(), 1..200)) {
            let mut outbox = Outbox::new(7);
            for number in 0..20 {
                outbox.push(Write::Segment(segment(number)));
            }
            let mut confirmed = Vec::new();
            let mut now_ms = 0;
            for reachable in fates.into_iter().chain(std::iter::repeat_n(true, 20)) {
                if let Some(due_ms) = outbox.next_tick_ms() {
                    prop_assert!(due_ms <= now_ms + RETRY_MS.1);
                    now_ms = now_ms.max(due_ms);
                }
                let Some((ticket, Write::Segment(sent))) = outbox.next(now_ms) else { break };
                if reachable {
                    prop_assert!(outbox.finished(ticket).is_some());
                    prop_assert!(outbox.finished(ticket).is_none());
                    confirmed.push(sent.start_ms);
                } else {
                    outbox.failed(ticket, now_ms);
                }
            }
            prop_assert_eq!(confirmed, (0..20).collect::<Vec<u64>>());
            prop_assert_eq!((outbox.waiting(), outbox.finals_bytes), (0, 0));
        }
    }
}
