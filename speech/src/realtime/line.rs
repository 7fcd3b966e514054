//! One track at the service: what is sent, what its answers are for, when to give up, when to begin anew. Sans-IO.
//!
//! The service has one buffer a session. A commit empties it and names what was in it, in the order of the commits; text
//! comes under that name, before the commit too. An item that has text and no commit yet is therefore the open utterance,
//! behind as many others as there are commits without a name.

mod asking;
mod hearing;
mod losing;
mod sending;

use std::collections::VecDeque;

use super::options::RealtimeLimits;
use super::wire::Heard;
use crate::Audio;
use crate::service::Refusal;
use crate::{Hypothesis, RecogniseError, Recognised, Request, RequestKind, SAMPLES_PER_MS, Word};

/// Finals of a track that may wait. At 20 s each this is 20 MB of audio at most.
const FINALS_MAX: usize = 32;
/// Sessions that a final may fail with.
const LIVES: u8 = 2;
/// Items without a commit of which text is kept, and how much.
const ITEMS_MAX: usize = 64;
const TEXT_MAX_BYTES: usize = 16 * 1024;
/// The service refuses commits of less, and there is no word in it.
const SHORTEST_MS: usize = 100;
/// A track that ended is given so long for its last words to be asked for.
const LINGER_MS: u64 = 5_000;

/// What happens to a track.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody asks, and wants the answer under this number.
    Request(u64, Request),
    /// The track is over.
    Forget,
    /// Nobody can ask any more.
    Close,
    /// The connection stands and the session is being set up.
    Connected,
    /// There is no connection.
    NotConnected(Option<Refusal>),
    /// The service says something.
    Heard(Heard),
    /// The connection is over.
    Lost,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    Connect,
    Disconnect,
    /// Send samples of this audio, counted at the service's rate.
    Append {
        audio: Audio,
        from: usize,
        to: usize,
    },
    Commit(u64),
    Clear,
    /// The service has accepted the session, or refuses within it: no other track need ask.
    Met(Result<(), Refusal>),
    Answer(u64, Recognised),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// Not before then.
    Waiting {
        until_ms: u64,
    },
    /// There is no session yet; by then it has failed.
    Opening {
        until_ms: u64,
    },
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Committed,
    Named(String),
}

#[derive(Debug)]
struct Final {
    ticket: u64,
    request: Request,
    deadline_ms: u64,
    /// How much is in the service's buffer.
    sent: usize,
    stage: Stage,
    lives: u8,
}

/// A growing utterance.
#[derive(Debug)]
struct Growing {
    request: Request,
    sent: usize,
    /// Whose partial waits, and until when.
    asked: Option<(u64, u64)>,
    /// How much of its text was told.
    told_bytes: usize,
}

/// A track.
#[derive(Debug)]
pub(super) struct Line {
    engine: String,
    limits: RealtimeLimits,
    link: Link,
    failures: u32,
    growing: Option<Growing>,
    /// In the order in which they are committed.
    finals: VecDeque<Final>,
    /// Text of items without a commit, the oldest first.
    items: VecDeque<(String, String)>,
    /// Items that will never be committed.
    orphans: VecDeque<String>,
    /// The service has been silent since then while something was waited for.
    silent_since_ms: u64,
    used_ms: u64,
    ends_ms: Option<u64>,
    out: Vec<Output>,
}

impl Line {
    pub(super) fn new(engine: String, limits: RealtimeLimits, now_ms: u64) -> Self {
        Self {
            engine,
            limits,
            link: Link::Down,
            failures: 0,
            growing: None,
            finals: VecDeque::new(),
            items: VecDeque::new(),
            orphans: VecDeque::new(),
            silent_since_ms: now_ms,
            used_ms: now_ms,
            ends_ms: None,
            out: Vec::new(),
        }
    }

    /// Takes one input and says what to do, in this order.
    pub(super) fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Output> {
        match input {
            Input::Request(ticket, request) => {
                self.used_ms = now_ms;
                match request.kind {
                    RequestKind::Partial | RequestKind::Pause => self.partial(ticket, request, now_ms),
                    RequestKind::Final => self.complete(ticket, request, now_ms),
                }
            }
            Input::Forget => self.ends_ms = Some(now_ms + LINGER_MS),
            Input::Close => self.ends_ms = Some(now_ms),
            Input::Connected => {}
            Input::NotConnected(Some(refusal)) => self.refuse(refusal.into()),
            Input::NotConnected(None) | Input::Lost => self.lost(now_ms),
            Input::Heard(heard) => self.heard(heard, now_ms),
            Input::Tick => {}
        }
        self.give_up(now_ms);
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub(super) fn next_tick_ms(&self) -> u64 {
        let link_ms = match self.link {
            Link::Waiting { until_ms } if self.is_wanted() => Some(until_ms),
            Link::Opening { until_ms } => Some(until_ms),
            Link::Open if self.is_committed() => Some(self.silent_since_ms + self.limits.stall_ms),
            _ => None,
        };
        let finals_ms = self.finals.iter().map(|last| last.deadline_ms).min();
        let partial_ms = self.growing.as_ref().and_then(|growing| Some(growing.asked?.1));
        let end_ms = (!self.is_wanted()).then(|| self.end_ms());
        [link_ms, finals_ms, partial_ms, end_ms]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.link != Link::Open && !self.is_wanted() && now_ms >= self.end_ms()
    }

    fn end_ms(&self) -> u64 {
        let idle_ms = self.used_ms + self.limits.idle_ms;
        self.ends_ms.map_or(idle_ms, |ends_ms| ends_ms.min(idle_ms))
    }

    fn is_wanted(&self) -> bool {
        let is_asked = self
            .growing
            .as_ref()
            .is_some_and(|growing| growing.asked.is_some());
        is_asked || !self.finals.is_empty()
    }

    fn is_committed(&self) -> bool {
        self.finals.iter().any(|last| last.stage != Stage::Waiting)
    }

    fn take(&mut self, is_it: impl Fn(&Final) -> bool) -> Option<Final> {
        let at = self.finals.iter().position(is_it)?;
        self.finals.remove(at)
    }

    fn fail(&mut self, is_it: impl Fn(&Final) -> bool) {
        if let Some(last) = self.take(is_it) {
            self.answer(last.ticket, Err(RecogniseError::Failed));
        }
    }

    fn answer(&mut self, ticket: u64, result: Recognised) {
        self.out.push(Output::Answer(ticket, result));
    }

    fn hypothesis(&self, request: &Request, words: Vec<Word>, is_whole: bool) -> Hypothesis {
        Hypothesis {
            utterance: request.utterance,
            words,
            engine: self.engine.clone(),
            audio_ms: (request.audio.len() / SAMPLES_PER_MS) as u64,
            is_whole,
            compute_ms: 0,
        }
    }
}

#[cfg(test)]
mod tests;
