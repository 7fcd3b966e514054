//! One track at the service: what is sent, what its answers are for, when to give up, when to begin anew. Sans-IO.
//!
//! The service has one buffer a session. A commit empties it and names what was in it, in the order of the commits; text
//! comes under that name, before the commit too. An item that has text and no commit yet is therefore the open utterance,
//! behind as many others as there are commits without a name.

use std::collections::VecDeque;

use super::options::RealtimeLimits;
use super::rate;
use super::wire::{Fault, Heard};
use crate::listener::Audio;
use crate::openai::reading::read_text;
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

    fn partial(&mut self, ticket: u64, request: Request, now_ms: u64) {
        let is_stale = self
            .finals
            .iter()
            .any(|last| last.request.utterance >= request.utterance);
        if is_stale {
            self.answer(ticket, Err(RecogniseError::Overtaken));
            return;
        }
        let is_same = |growing: &Growing| {
            (growing.request.utterance, growing.request.start_ms) == (request.utterance, request.start_ms)
        };
        if !self.growing.as_ref().is_some_and(is_same) {
            self.drop_growing();
        }
        let asked = Some((ticket, now_ms + self.limits.partial_ms));
        match &mut self.growing {
            Some(growing) => {
                let before = std::mem::replace(&mut growing.asked, asked);
                growing.request = request;
                if let Some((before, _)) = before {
                    self.answer(before, Err(RecogniseError::Overtaken));
                }
            }
            None => {
                self.growing = Some(Growing {
                    request,
                    sent: 0,
                    asked,
                    told_bytes: 0,
                });
            }
        }
        self.tell();
    }

    /// An utterance is complete.
    fn complete(&mut self, ticket: u64, request: Request, now_ms: u64) {
        let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
        if self.finals.len() >= FINALS_MAX {
            self.answer(ticket, Err(RecogniseError::Overloaded));
            return;
        }
        let is_same = self.growing.as_ref().is_some_and(|growing| {
            (growing.request.utterance, growing.request.start_ms) == (request.utterance, request.start_ms)
                && growing.sent <= rate::len(request.audio.len())
        });
        let mut sent = 0;
        if is_same && let Some(growing) = self.growing.take() {
            sent = growing.sent;
            if let Some((before, _)) = growing.asked {
                self.answer(before, Err(RecogniseError::Overtaken));
            }
        } else {
            // What is in the buffer is of another utterance, or too much: it was cut in the middle.
            let is_its_own = |growing: &Growing| growing.request.utterance == request.utterance;
            if self.growing.as_ref().is_some_and(is_its_own) {
                self.drop_growing();
            } else {
                self.empty_buffer();
            }
        }
        if request.audio.len() < SHORTEST_MS * SAMPLES_PER_MS {
            if sent > 0 && self.link == Link::Open {
                self.out.push(Output::Clear);
            }
            let nothing = self.hypothesis(&request, Vec::new(), true);
            self.answer(ticket, Ok(nothing));
            return;
        }
        self.finals.push_back(Final {
            ticket,
            deadline_ms: now_ms + self.limits.final_ms + audio_ms,
            request,
            sent,
            stage: Stage::Waiting,
            lives: LIVES,
        });
    }

    /// Nobody asks for the growing utterance any more.
    fn drop_growing(&mut self) {
        self.empty_buffer();
        if let Some((ticket, _)) = self.growing.take().and_then(|growing| growing.asked) {
            self.answer(ticket, Err(RecogniseError::Overtaken));
        }
    }

    /// The growing utterance is sent anew, if it is at all.
    fn empty_buffer(&mut self) {
        let Some(growing) = &mut self.growing else { return };
        if std::mem::take(&mut growing.sent) > 0 && self.link == Link::Open {
            self.out.push(Output::Clear);
        }
        let unnamed = self.unnamed().min(self.items.len());
        for (item, _) in self.items.drain(unnamed..) {
            self.orphans.push_back(item);
        }
        let surplus = self.orphans.len().saturating_sub(ITEMS_MAX);
        self.orphans.drain(..surplus);
        if let Some(growing) = &mut self.growing {
            growing.told_bytes = 0;
        }
    }

    fn heard(&mut self, heard: Heard, now_ms: u64) {
        self.silent_since_ms = now_ms;
        match heard {
            Heard::Ready => {
                if matches!(self.link, Link::Opening { .. }) {
                    self.link = Link::Open;
                    self.failures = 0;
                }
            }
            Heard::Committed { item } => {
                self.items.retain(|(known, _)| *known != item);
                if let Some(last) = self.finals.iter_mut().find(|last| last.stage == Stage::Committed) {
                    last.stage = Stage::Named(item);
                }
            }
            Heard::Delta { item, text } => self.delta(item, &text),
            Heard::Completed { item, text } => {
                if let Some(last) = self.take(|last| last.stage == Stage::Named(item.clone())) {
                    let words = read_text(&text, &last.request.audio, last.request.start_ms);
                    let result = words
                        .map(|words| self.hypothesis(&last.request, words, true))
                        .map_err(|_| RecogniseError::Failed);
                    self.answer(last.ticket, result);
                }
            }
            Heard::Failed { item } => self.fail(|last| last.stage == Stage::Named(item.clone())),
            Heard::Error(fault) => self.fault(fault),
            Heard::Other => {}
            Heard::Rubbish => tracing::warn!("the realtime service says what is not its protocol"),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Expired => {
                self.out.push(Output::Disconnect);
                self.begin_anew();
                self.link = Link::Down;
            }
            Fault::Unauthorised => self.refuse(RecogniseError::Unauthorised),
            Fault::PaymentRequired => self.refuse(RecogniseError::PaymentRequired),
            Fault::RateLimited => self.refuse(RecogniseError::RateLimited),
            Fault::Setup => self.refuse(RecogniseError::Misconfigured),
            Fault::Empty(ticket) => {
                if let Some(last) = self.take(|last| last.ticket == ticket) {
                    let nothing = self.hypothesis(&last.request, Vec::new(), true);
                    self.answer(ticket, Ok(nothing));
                }
            }
            Fault::Commit(ticket) => self.fail(|last| last.ticket == ticket),
            Fault::Other => {}
        }
    }

    fn delta(&mut self, item: String, text: &str) {
        // Text of what is committed comes once more when it is complete.
        let named = Stage::Named(item.clone());
        if self.orphans.contains(&item) || self.finals.iter().any(|last| last.stage == named) {
            return;
        }
        let at = self.items.iter().position(|(known, _)| *known == item);
        let at = at.unwrap_or_else(|| {
            if self.items.len() >= ITEMS_MAX {
                self.items.pop_back();
            }
            self.items.push_back((item, String::new()));
            self.items.len() - 1
        });
        let so_far = &mut self.items[at].1;
        if so_far.len() + text.len() <= TEXT_MAX_BYTES {
            so_far.push_str(text);
        }
        self.tell();
    }

    /// Commits whose item has no name yet.
    fn unnamed(&self) -> usize {
        let is_unnamed = |last: &&Final| last.stage == Stage::Committed;
        self.finals.iter().filter(is_unnamed).count()
    }

    fn text(&self) -> &str {
        self.items
            .get(self.unnamed())
            .map_or("", |(_, text)| text.as_str())
    }

    /// Answers a partial if there is something new to say.
    fn tell(&mut self) {
        let bytes = self.text().len();
        if self
            .growing
            .as_ref()
            .is_some_and(|growing| growing.asked.is_some() && growing.sent > 0 && bytes > growing.told_bytes)
        {
            self.tell_anyway();
        }
    }

    fn tell_anyway(&mut self) {
        let text = self.text().to_owned();
        let is_open = self.link == Link::Open;
        let Some(growing) = &mut self.growing else { return };
        let Some((ticket, _)) = growing.asked.take() else {
            return;
        };
        growing.told_bytes = text.len();
        let request = growing.request.clone();
        let words = read_text(&text, &request.audio, request.start_ms);
        let result = match words {
            Ok(words) if is_open => Ok(self.hypothesis(&request, words, false)),
            _ => Err(RecogniseError::Failed),
        };
        self.answer(ticket, result);
    }

    /// The connection is gone: what was not transcribed is sent again on the next one.
    fn lost(&mut self, now_ms: u64) {
        let (first_ms, longest_ms) = self.limits.reconnect_ms;
        let wait_ms = (first_ms << self.failures.min(10)).min(longest_ms);
        self.failures += 1;
        self.begin_anew();
        self.link = Link::Waiting {
            until_ms: now_ms + wait_ms,
        };
    }

    fn begin_anew(&mut self) {
        self.items.clear();
        self.orphans.clear();
        if let Some(growing) = &mut self.growing {
            (growing.sent, growing.told_bytes) = (0, 0);
        }
        for last in &mut self.finals {
            if last.stage != Stage::Waiting {
                last.lives -= 1;
            }
            (last.stage, last.sent) = (Stage::Waiting, 0);
        }
        while self.finals.iter().any(|last| last.lives == 0) {
            self.fail(|last| last.lives == 0);
        }
    }

    /// The service does not want to be asked like this.
    fn refuse(&mut self, error: RecogniseError) {
        self.out.push(Output::Disconnect);
        self.link = Link::Down;
        self.items.clear();
        while let Some(last) = self.finals.pop_front() {
            self.answer(last.ticket, Err(error));
        }
        if let Some((ticket, _)) = self.growing.take().and_then(|growing| growing.asked) {
            self.answer(ticket, Err(error));
        }
    }

    /// What has taken too long.
    fn give_up(&mut self, now_ms: u64) {
        match self.link {
            Link::Opening { until_ms } if now_ms >= until_ms => {
                self.out.push(Output::Disconnect);
                self.lost(now_ms);
            }
            Link::Open if self.is_committed() && now_ms >= self.silent_since_ms + self.limits.stall_ms => {
                self.out.push(Output::Disconnect);
                self.lost(now_ms);
            }
            _ => {}
        }
        // A commit without a name would leave its name to the next one: that session is of no use any more.
        let is_late = |last: &Final| now_ms >= last.deadline_ms;
        if self
            .finals
            .iter()
            .any(|last| is_late(last) && last.stage == Stage::Committed)
        {
            self.out.push(Output::Disconnect);
            self.lost(now_ms);
        }
        while let Some(last) = self.take(is_late) {
            if last.sent > 0 && last.stage == Stage::Waiting && self.link == Link::Open {
                self.out.push(Output::Clear);
            }
            self.answer(last.ticket, Err(RecogniseError::Late));
        }
        let asked = self.growing.as_ref().and_then(|growing| growing.asked);
        if asked.is_some_and(|(_, until_ms)| now_ms >= until_ms) {
            self.tell_anyway();
        }
    }

    fn go_on(&mut self, now_ms: u64) {
        let may_connect = match self.link {
            Link::Down => true,
            Link::Waiting { until_ms } => now_ms >= until_ms,
            Link::Opening { .. } => false,
            Link::Open => {
                self.send(now_ms);
                if !self.is_wanted() && now_ms >= self.end_ms() {
                    self.link = Link::Down;
                    self.out.push(Output::Disconnect);
                }
                return;
            }
        };
        if may_connect && self.is_wanted() {
            self.link = Link::Opening {
                until_ms: now_ms + self.limits.connect_ms,
            };
            self.out.push(Output::Connect);
        }
    }

    fn send(&mut self, now_ms: u64) {
        if !self.is_committed() {
            self.silent_since_ms = now_ms;
        }
        for last in &mut self.finals {
            if last.stage != Stage::Waiting {
                continue;
            }
            let to = rate::len(last.request.audio.len());
            append(&mut self.out, &last.request.audio, &mut last.sent, to);
            last.stage = Stage::Committed;
            self.out.push(Output::Commit(last.ticket));
        }
        if let Some(growing) = &mut self.growing {
            let to = rate::settled(growing.request.audio.len());
            append(&mut self.out, &growing.request.audio, &mut growing.sent, to);
        }
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

fn append(out: &mut Vec<Output>, audio: &Audio, sent: &mut usize, to: usize) {
    if *sent < to {
        out.push(Output::Append {
            audio: audio.clone(),
            from: *sent,
            to,
        });
        *sent = to;
    }
}

#[cfg(test)]
mod tests;
